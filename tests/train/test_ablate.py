"""The ablation at a tiny size: every stage, going on after a stop, and what the tables hold."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import load_file
from tiny_networks import save_i3d

from toon_core.config import CLIPConfig, ResamplerConfig, ToonConfig, UNetConfig, VAEConfig
from train import ablate
from train.ablation import budget, rectification, running, tables, together
from train.ablation import reconstruction as decoders
from train.ablation.plan import AblateConfig, Places, plan
from train.eval import reconstruction
from train.eval.columns import Measure
from train.eval.networks import Networks

FRAMES = 4
RECTIFIED = ("II", "III", "IV")  # of several seeds
TINY = ToonConfig(
    unet=UNetConfig(
        model_channels=8,
        channel_mult=(1, 2),
        num_res_blocks=1,
        num_head_channels=4,
        attention_resolutions=(2,),
        context_dim=16,
        dropout=0.0,
        norm_groups=2,
    ),
    vae=VAEConfig(ch=4, ch_mult=(1, 1, 2, 2), num_res_blocks=1, norm_groups=2),
    resampler=ResamplerConfig(
        dim=16, depth=1, dim_head=8, heads=2, embedding_dim=16, output_dim=16, video_length=FRAMES
    ),
    clip=CLIPConfig(
        embed_dim=16,
        text_width=16,
        text_heads=2,
        text_layers=2,
        vision_width=16,
        vision_layers=2,
        vision_head_width=8,
        image_size=28,
    ),
)


@pytest.fixture(scope="module")
def config(clip_folders, tmp_path_factory) -> AblateConfig:
    root = tmp_path_factory.mktemp("ablation")
    OmegaConf.save(TINY.to_dict(), root / "shape.yaml")
    for name in ("right", "down"):
        (root / "testset" / name).mkdir(parents=True)
        for i in range(FRAMES):
            frame = clip_folders / name / f"frame_{6 * i:03d}.png"
            shutil.copy(frame, root / "testset" / name / f"frame_{i:03d}.png")
    short = {"threads": 1, "workers": 0, "sheet_clips": 1, "batch": 1, "steps": 1, "ema": 0.0}
    shape = {"shape": str(root / "shape.yaml")}
    return AblateConfig(
        data=str(clip_folders),
        out=str(root / "out"),
        testset=str(root / "testset"),
        seeds=1,
        trial_steps=1,
        figure_clips=1,
        sketch_clips=2,
        frames=FRAMES,
        natural={"clips": 9, "frames": 6},
        sampling={"steps": 2, "cfg_scale": 1.0},
        perceptual="none",
        common=short,
        autoencoder=shape,
        pretrain={**shape, "sheet_steps": 1},
        rectify={"sheet_steps": 1, "checkpointing": False},
        decoder={"gan_weight": 0.0, "lambda_p": 0.0, "perceptual": "none"},
        sketch={"sheet_steps": 1, "checkpointing": False},
    )


@pytest.fixture(scope="module")
def done(config, request):
    """The folder after a stop in the middle and a second call, and which runs each trained."""
    trained: list[list[str]] = [[], []]
    original = running.train

    def train(run, places, *more):
        if "trial" not in places.out.parts:
            trained[-1 if stopped else 0].append(run.name)
        if run.name == "rectify/IV_0" and "trial" not in places.out.parts and not stopped:
            raise KeyboardInterrupt
        return original(run, places, *more)

    stopped = False
    patch = pytest.MonkeyPatch()
    request.addfinalizer(patch.undo)
    patch.setattr(running, "train", train)
    find = "train.eval.settings.find_networks"
    patch.setattr(find, lambda models: Networks(models=models))  # none: quicker
    with pytest.raises(KeyboardInterrupt):
        ablate.ablate(config)
    stopped = True
    ablate.ablate(config)
    return Places(config).out, trained


def records(path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_it_goes_on_where_it_was_stopped(done):
    _, (first, second) = done
    assert first == ["base/autoencoder", "base/denoiser", *(f"rectify/{v}_0" for v in RECTIFIED)]
    assert second[:2] == ["rectify/IV_0", "rectify/V_0"] and len(second) == 7


def test_runs_beside_each_other_give_what_they_give_alone(config, done, tmp_path):
    out, _ = done
    places = Places(config, tmp_path)
    for part in ("base", "rectify/IV_0"):
        shutil.copytree(out / part, tmp_path / part)
    wanted = ("base/denoiser", "rectify/IV_0", "rectify/V_0", "sketch/zero_gate_0")
    runs = [run for run in plan(config, places) if run.name in wanted]
    together.finish_all(runs, places, 2)
    for run in runs:
        alone, found = (load_file(root / run.name / run.result) for root in (out, tmp_path))
        assert all(found[name].equal(alone[name]) for name in alone)
        assert not (tmp_path / run.name / "checkpoints").exists()


def test_one_that_fails_stops_the_others_and_names_itself(config, done, tmp_path, capfd):
    places = Places(config, tmp_path)
    shutil.copytree(done[0] / "base", tmp_path / "base")
    runs = [run for run in plan(config, places) if run.name.startswith("rectify/")][:2]
    long, bad = (replace(run, words=(*run.words, "steps=100000")) for run in runs)
    bad = replace(bad, words=(*bad.words, "base=missing.safetensors"))
    with pytest.raises(SystemExit, match=f"{bad.name} ended with code 1"):
        together.finish_all([long, bad], places, 2)
    assert "error: " in capfd.readouterr().err
    assert list((tmp_path / long.name / "checkpoints").iterdir()), "it has saved what it has"


def test_only_what_decides_the_results_must_stay(config, done):
    faster = {**config.common, "threads": 2, "workers": 1}
    ablate.ablate(replace(config, common=faster, report_only=True))
    with pytest.raises(ValueError, match="begun with common="):
        ablate.ablate(replace(config, common={**config.common, "batch": 2}))
    with pytest.raises(ValueError, match="jobs=0: expected 1 or more"):
        ablate.ablate(replace(config, jobs=0))


def test_the_tables_have_the_papers_rows(done):
    out, _ = done
    rows = records(out / "table_3.csv")
    assert [row["variant"] for row in rows] == ["I", "II", "III", "IV", "V"]
    assert all(float(row["psnr"]) > 0 for row in rows)
    rows = records(out / "table_4.csv")
    assert [row["variant"] for row in rows] == ["full", "no_pseudo3d", "plain"]
    assert all(0 < float(row["ssim"]) <= 1 for row in rows)
    curve = records(out / "figure_10.csv")
    assert [int(row["frame"]) for row in curve] == [*range(FRAMES)] * 3
    whole = sum(float(row["psnr"]) for row in curve if row["variant"] == "full") / FRAMES
    assert whole == pytest.approx(float(rows[0]["psnr"]))
    sketches = [row["variant"] for row in records(out / "table_sketch.csv")]
    assert sketches == ["independent", "zero_gate", "none"]


def test_the_report_names_every_figure_and_the_budget(done):
    out, _ = done
    report = (out / "report.md").read_text()
    for number in (6, 7, 8, 9, 10):
        assert f"(figure_{number}.png)" in report
        with Image.open(out / f"figure_{number}.png") as picture:
            assert picture.width > 400
    assert "| **total** |" in report and "Not done yet" not in report
    assert {"II", "IV"} <= set(report.split("best first: ")[1].split(".")[0].split(", "))
    spent = report.split("Spent in steps by the 11 runs that are done")[1].split("\n")[0]
    assert "train.rectify" in spent and "train.sketch" in spent
    costs = json.loads((out / "budget.json").read_text())
    by_work = {cost["what"]: cost for cost in costs}
    rectify = by_work["train.rectify: steps of 4 runs"]
    assert rectify["times"] == 4 and rectify["seconds"] > 0


def test_an_ablation_of_other_options_or_that_costs_too_much_is_refused(config, done):
    with pytest.raises(ValueError, match="begun with sampling="):
        ablate.ablate(replace(config, sampling={"steps": 3}))
    with pytest.raises(ValueError, match="core_hours=1e-06 allows less"):
        ablate.ablate(replace(config, core_hours=1e-6))


def test_a_wrong_option_of_the_clips_is_one_line(config, tmp_path):
    with pytest.raises(ValueError, match="natural: .*clps.*known keys") as told:
        ablate.ablate(replace(config, out=str(tmp_path), natural={"clps": 9}))
    assert "\n" not in str(told.value)


def test_a_trial_leaves_the_clips_of_the_runs_alone(config, tmp_path):
    places = Places(config, tmp_path / "trial")
    assert places.natural == tmp_path / "trial" / "natural"
    assert f"data={places.natural}" in plan(config, places)[0].words


def test_what_was_spent_is_summed_over_the_manifests(config, tmp_path):
    places = Places(config, tmp_path)
    runs = plan(config, places)[:3]
    for run, seconds in zip(runs, (1800, 3600, 5400), strict=True):
        file = places.result(run).with_suffix(".json")
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"part": "x", "seconds": seconds}))
    text = budget.spent(places, runs)
    assert "3 runs" in text and "train.pretrain 1," in text and "in all **3.00**" in text


def test_the_plan_has_every_variant_and_seed():
    config = AblateConfig(data="d", out="o")
    runs = plan(config, Places(config))
    names = [run.name for run in runs]
    assert len(set(names)) == 2 + 10 + 9 + 2
    assert {f"rectify/{v}_{s}" for v in RECTIFIED for s in range(3)} <= set(names)
    assert {f"decoder/{v}_2" for v in ("full", "no_pseudo3d", "plain")} <= set(names)
    assert "rectify/V_0" in names and "rectify/V_1" not in names
    steps = {run.words[2:] for run in runs if run.recipe == "rectify" and run.variant == "II"}
    assert len(steps) == 1, "seeds differ in nothing else"
    assert (
        names.index("rectify/IV_0")
        < names.index("sketch/zero_gate_0")
        < names.index("rectify/II_1")
    )


def test_published_values_stand_beside_the_published_measures_only(tmp_path):
    def columns(models, **networks):
        measure = Measure(networks=Networks(models=models, **networks))
        found = [tables.column(metric, rectification.PAPER) for metric in measure.columns()]
        return {column.key: column for column in found}

    standin = columns(tmp_path, video="transnet")
    assert standin["fvd_transnet"].paper is None
    assert standin["clip_img"].paper["IV"] == 0.9096
    save_i3d(tmp_path)
    assert columns(tmp_path, video="i3d")["fvd"].paper["I"] == 86.62

    def lpips(net):
        return tables.column(reconstruction.metrics(net, net)[-1], decoders.PAPER)

    assert (lpips("hed").title, lpips("hed").paper) == ("LPIPS-HED", None)
    assert (lpips("vgg").title, lpips("vgg").paper) == ("LPIPS (VGG)", None)
    assert lpips("alex").paper["full"] == 0.0204


def test_tables_show_mean_spread_and_both_orders(tmp_path):
    column = tables.Column(
        key="x", title="X (net)", digits=1, better=-1, paper={"a": 1.0, "b": 2.0}
    )
    found = {"x": {"a": [4.0, 6.0], "b": [3.0]}}
    text = tables.write_table(tmp_path / "t", {"a": "first", "b": "second"}, [column], found)
    assert text.startswith("| | X (net) | X, paper | seeds |")
    assert "| first | 5.0 \u00b1 1.4 | 1 | 2 |" in text and "| second | 3.0 | 2 | 1 |" in text
    assert "- X (net), best first: b, a; in the paper: a, b." in text
    rows = records(tmp_path / "t.csv")
    assert [row["x"] for row in rows] == ["4.0", "6.0", "3.0"]
