"""The ablation at a tiny size: every stage, going on after a stop, and what the tables hold."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
from omegaconf import OmegaConf
from PIL import Image

from benchmarks.ablation import reconstruction as decoders
from benchmarks.ablation import rectification, run, tables
from benchmarks.ablation.plan import AblationConfig, Folders, plan
from toon_core.config import CLIPConfig, ResamplerConfig, ToonConfig, UNetConfig, VAEConfig
from toon_core.metrics import registry

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
def config(clip_folders, tmp_path_factory) -> AblationConfig:
    root = tmp_path_factory.mktemp("ablation")
    OmegaConf.save(TINY.to_dict(), root / "shape.yaml")
    for name in ("right", "down"):
        (root / "testset" / name).mkdir(parents=True)
        for i in range(FRAMES):
            frame = clip_folders / name / f"frame_{6 * i:03d}.png"
            shutil.copy(frame, root / "testset" / name / f"frame_{i:03d}.png")
    once = {"threads": 1, "workers": 0, "sheet_clips": 1, "held_out": 0}
    short = {"run": once, "batch": 1, "steps": 1, "optim": {"ema": 0.0}}
    shape = {"shape": str(root / "shape.yaml")}
    return AblationConfig(
        data=str(clip_folders),
        out=str(root / "out"),
        testset=str(root / "testset"),
        seeds=1,
        figure_clips=1,
        sketch_clips=2,
        frames=FRAMES,
        photographs={"clips": 9, "frames": 6},
        sampling={"steps": 2, "cfg_scale": 1.0},
        networks=False,
        common=short,
        autoencoder=shape,
        pretrain={**shape, "sheet_steps": 1},
        rectify={"sheet_steps": 1, "checkpointing": False},
        decoder={"gan_weight": 0.0, "perceptual": {"weight": 0.0}},
        sketch={"sheet_steps": 1, "checkpointing": False},
    )


@pytest.fixture(scope="module")
def done(config, request):
    """The folder after a stop in the middle and a second call, and which runs each trained."""
    trained: list[list[str]] = [[], []]
    original = run.train

    def train(one, folders):
        trained[-1 if stopped else 0].append(one.name)
        if one.name == "rectify/IV_0" and not stopped:
            raise KeyboardInterrupt
        return original(one, folders)

    stopped = False
    patch = pytest.MonkeyPatch()
    request.addfinalizer(patch.undo)
    patch.setattr(run, "train", train)
    with pytest.raises(KeyboardInterrupt):
        run.ablate(config)
    stopped = True
    run.ablate(config)
    return Folders(config).out, trained


def records(path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_it_goes_on_where_it_was_stopped(done):
    _, (first, second) = done
    assert first == ["base/autoencoder", "base/denoiser", *(f"rectify/{v}_0" for v in RECTIFIED)]
    assert second[:2] == ["rectify/IV_0", "rectify/V_0"] and len(second) == 7


def test_only_what_decides_the_results_must_stay(config, done):
    faster = {**config.common, "run": {**config.common["run"], "threads": 2, "workers": 1}}
    run.ablate(replace(config, common=faster, report_only=True))
    with pytest.raises(ValueError, match="begun with common="):
        run.ablate(replace(config, common={**config.common, "batch": 2}))


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


def test_the_report_names_every_figure_and_what_it_took(done):
    out, _ = done
    report = (out / "report.md").read_text()
    for number in (6, 7, 8, 9, 10):
        assert f"(figure_{number}.png)" in report
        with Image.open(out / f"figure_{number}.png") as picture:
            assert picture.width > 400
    assert "Not done yet" not in report
    assert {"II", "IV"} <= set(report.split("best first: ")[1].split(".")[0].split(", "))
    taken = report.split("The steps of the 11 runs that are done took")[1].split("\n")[0]
    assert "train.rectify" in taken and "train.sketch" in taken


def test_an_ablation_of_other_options_is_refused(config, done):
    with pytest.raises(ValueError, match="begun with sampling="):
        run.ablate(replace(config, sampling={"steps": 3}))


def test_a_wrong_option_of_the_clips_is_one_line(config, tmp_path):
    with pytest.raises(ValueError, match="photographs: .*clps: unknown option") as told:
        run.ablate(replace(config, out=str(tmp_path), photographs={"clps": 9}))
    assert "\n" not in str(told.value)


def test_a_dry_run_checks_and_lists_the_runs_and_trains_nothing(config, tmp_path, caplog):
    caplog.set_level("INFO", "toon.ablation")
    assert run.ablate(replace(config, out=str(tmp_path), dry_run=True)) is None
    assert "11 runs: base/autoencoder, base/denoiser, rectify/II_0" in caplog.text
    assert not (tmp_path / "photographs").exists() and not (tmp_path / "base").exists()


def test_what_the_runs_took_is_summed_over_the_manifests(config, tmp_path):
    folders = Folders(config, tmp_path)
    runs = plan(config, folders)[:3]
    for one, seconds in zip(runs, (1800, 3600, 5400), strict=True):
        file = folders.result(one).with_suffix(".json")
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"part": "x", "seconds": seconds}))
    text = run.time_taken(folders, runs)
    assert "3 runs" in text and "train.pretrain 1," in text and "in all **3.00**" in text


def test_the_plan_has_every_variant_and_seed():
    config = AblationConfig(data="d", out="o")
    runs = plan(config, Folders(config))
    names = [one.name for one in runs]
    assert len(set(names)) == 2 + 10 + 9 + 2
    assert {f"rectify/{v}_{s}" for v in RECTIFIED for s in range(3)} <= set(names)
    assert {f"decoder/{v}_2" for v in ("full", "no_pseudo3d", "plain")} <= set(names)
    assert "rectify/V_0" in names and "rectify/V_1" not in names
    steps = {one.words[2:] for one in runs if one.recipe == "rectify" and one.variant == "II"}
    assert len(steps) == 1, "seeds differ in nothing else"
    assert (
        names.index("rectify/IV_0")
        < names.index("sketch/zero_gate_0")
        < names.index("rectify/II_1")
    )


def test_published_values_stand_beside_the_published_measures_only(tmp_path):
    def columns(*names):
        found = [
            tables.column(m, rectification.PAPER)
            for m in registry.columns(dict.fromkeys(names, "x"))
        ]
        return {column.key: column for column in found}

    standin = columns("transnet")
    assert standin["fvd_transnet"].paper is None
    assert standin["clip_img"].paper["IV"] == 0.9096
    assert columns("i3d", "transnet")["fvd"].paper["I"] == 86.62

    def lpips(*names):
        [found] = [m for m in registry.columns(dict.fromkeys(names, "x")) if m.family == "lpips"]
        return tables.column(found, decoders.PAPER)

    standin = lpips("hed", "vgg_heads")
    assert (standin.title, standin.paper) == ("LPIPS-HED", None)
    assert (lpips("lpips_vgg").title, lpips("lpips_vgg").paper) == ("LPIPS (VGG)", None)
    assert lpips("lpips_alex", "lpips_vgg").paper["full"] == 0.0204


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
