"""The facts in the page of an evaluation, from which its script draws."""

import json
import re
from pathlib import Path


def facts_of(out: Path) -> dict:
    page = (out / "report.html").read_text()
    facts = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page).group(1)
    return json.loads(facts)
