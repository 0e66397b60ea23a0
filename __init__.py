"""ToonTween: generative cartoon interpolation for ComfyUI."""

import logging

WEB_DIRECTORY = "./js"


async def comfy_entrypoint():
    """ComfyUI's entry. The nodes are imported here, so that tests and training can import this
    package's parts without ComfyUI."""
    try:
        from .nodes import ToonExtension
    except Exception:
        # ComfyUI logs one line without the traceback.
        logging.getLogger("toon").exception("ToonTween's nodes cannot be imported")
        raise
    return ToonExtension()
