"""Nodes that load weights."""

from __future__ import annotations

from comfy_api.latest import io

from ..toon_core.weights.checkpoint import read
from . import host, lora, parts
from .schema import BETWEEN, CARTOON, schema
from .types import AutoencoderType, ConditionerType, SketchEncoderType

CATEGORY = "ToonTween/loaders"


class ToonLoadModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonLoadModel",
            display_name="Toon Load Model",
            search_aliases=[*BETWEEN, *CARTOON, "checkpoint", "lora"],
            advanced=["weight_dtype", "lora_file", "lora_strength"],
            category=CATEGORY,
            description="Loads a ToonCrafter model: the built-in nano, the official checkpoint, a "
            "pruned file, or DynamiCrafter 512 interpolation.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=host.MODELS.choices(),
                    default=host.NANO,
                    tooltip="The built-in nano model (128x128, 16 frames), or a file of ComfyUI's "
                    "checkpoints or diffusion_models folder.",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(parts.WEIGHT_DTYPES),
                    default="default",
                    tooltip="How the UNet's weights are kept. default: what ComfyUI chooses for "
                    "the device. fp8 halves the memory of fp16 and changes the picture a little.",
                ),
                io.Combo.Input(
                    "lora_file",
                    options=host.LORAS.choices(),
                    default=host.LORAS.first,
                    optional=True,
                    tooltip="Adapters that train.rectify made with lora=..., of ComfyUI's loras "
                    "folder. They change the UNet and the image projector.",
                ),
                io.Float.Input(
                    "lora_strength",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    optional=True,
                    tooltip="How much of the adapters is added. 0: the model as it is.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model", tooltip="The video UNet, for any of ComfyUI's samplers."
                ),
                ConditionerType.Output(
                    display_name="conditioner",
                    tooltip="Image projector and, unless the file is pruned, both CLIP towers. "
                    "For Toon Encode Keys.",
                ),
                AutoencoderType.Output(
                    display_name="toon_vae",
                    tooltip="The autoencoder, whose decoder also looks at the key frames. For Toon "
                    "Encode Keys and Toon Decode.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, file: str, weight_dtype: str, lora_file: str = host.LORAS.first
    ) -> bool | str:
        files = {"file": host.MODELS, "lora_file": host.LORAS}
        return host.listed(cls, files, file=file, weight_dtype=weight_dtype, lora_file=lora_file)

    @classmethod
    def fingerprint_inputs(cls, file: str, lora_file: str = host.LORAS.first, **_) -> str:
        return host.MODELS.fingerprint(file) + host.LORAS.fingerprint(lora_file)

    @classmethod
    def execute(
        cls,
        file: str,
        weight_dtype: str,
        lora_file: str = host.LORAS.first,
        lora_strength: float = 1.0,
    ) -> io.NodeOutput:
        adapters = host.LORAS.find(lora_file)
        checkpoint = read(host.MODELS.find(file), expect="toon")
        model = parts.video_model(checkpoint, weight_dtype)
        conditioner = parts.conditioner(checkpoint)
        if adapters is not None and lora_strength:
            model, conditioner = lora.apply(model, conditioner, adapters, lora_strength)
        return io.NodeOutput(model, conditioner, parts.autoencoder(checkpoint))


class ToonLoadSketchEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="ToonLoadSketchEncoder",
            display_name="Toon Load Sketch Encoder",
            search_aliases=["controlnet", "line art", "lineart", "scribble"],
            category=CATEGORY,
            description="Loads the encoder that lets line drawings guide single frames.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=host.SKETCHES.choices(),
                    default=host.NANO,
                    tooltip="The built-in encoder for nano, or a file of ComfyUI's controlnet "
                    "folder. It must belong to the model: nano to nano, official to official.",
                ),
            ],
            outputs=[
                SketchEncoderType.Output(
                    display_name="sketch_encoder", tooltip="For Toon Apply Sketch."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        return host.listed(cls, {"file": host.SKETCHES}, file=file)

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        return host.SKETCHES.fingerprint(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        checkpoint = read(host.SKETCHES.find(file), expect="sketch")
        return io.NodeOutput(parts.sketch_encoder(checkpoint))
