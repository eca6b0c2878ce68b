"""Every name of ComfyUI that the Noise Optimizer relies on, and what is said where one is missing.

The modules beside this one use these names and are imported after `check_host` only: a ComfyUI that lacks one still
offers every node, and whatever does without the name.
"""

from .host_name import HostName, missing, version_text

TESTED = "0.14.1 and 0.33.0"

ATTENTION, GUIDER, MANAGEMENT = "comfy.ldm.modules.attention", "comfy.samplers.CFGGuider", "comfy.model_management"
PREFETCH, SWITCHES = "comfy.model_prefetch", "comfy.cli_args.args"
MODEL, PATCHER, PINNED = "comfy.model_base.BaseModel", "comfy.model_patcher.ModelPatcher", "comfy.pinned_memory"
EASY_CACHE, QWEN_CACHE = "comfy_extras.nodes_easycache", "comfy_extras.nodes_qwen.QwenImage21Cache"
CHOSEN_ATTENTION = f"{ATTENTION}.ComfyAttention"
NETWORKS, RECENT = "comfy.ldm", "0.33.0"

# From noise to pictures and scores: every method needs them.
PICTURES = (
    HostName("comfy.samplers.Sampler.max_denoise", "a sampler of our own, which ComfyUI prepares as it does any"),
    HostName("comfy.samplers.KSamplerX0Inpaint", "masks"),
    HostName(GUIDER, "guiders"),
    HostName(f"{GUIDER}.sample", "running it"),
    HostName(GUIDER, "the model between its preparation and its clean-up", noted="inner_model"),
    HostName(GUIDER, "the model of a guider", noted="model_patcher"),
    HostName(GUIDER, "what nodes have put into the model's path", noted="model_options"),
    HostName(GUIDER, "ControlNets and the like, which are loaded too", noted="loaded_models"),
    HostName(f"{MODEL}.process_latent_out", "latents for the VAE"),
    HostName(MODEL, "the network", noted="diffusion_model"),
    HostName(MODEL, "sigmas", noted="model_sampling"),
    HostName(MODEL, "the shape of latents", noted="latent_format"),
    HostName("comfy.model_sampling.CONST.noise_scaling", "the start of the sampling"),
    HostName("comfy.model_sampling.CONST.inverse_noise_scaling", "its end"),
    HostName("comfy.model_sampling.EPS.noise_scaling", "the same of SD and SDXL"),
    HostName("comfy.model_sampling.EPS.inverse_noise_scaling", "the same of SD and SDXL"),
    HostName("comfy.latent_formats.LatentFormat.latent_channels", "telling latents that do not fit"),
    HostName("comfy.latent_formats.LatentFormat.latent_dimensions", "telling pictures from videos and sound"),
    HostName("comfy.sample.fix_empty_latent_channels", "empty latents of any model"),
    HostName("comfy.sample.prepare_noise", "best of seeds"),
    HostName("comfy.sd.VAE", "VAEs"),
    HostName("comfy.sd.VAE", "memory for decoding", noted="memory_used_decode"),
    HostName("comfy.sd.VAE.throw_exception_if_invalid", "telling a file that is no VAE"),
    HostName("comfy.sd.VAE", "decoding", noted="first_stage_model"),
    HostName("comfy.sd.VAE", "decoding in its dtype", noted="vae_dtype"),
    HostName("comfy.sd.VAE", "decoding to 0..1", noted="process_output"),
    HostName("comfy.sd.VAE", "loading its weights", noted="patcher"),
    HostName("comfy.sd.VAE", "telling a VAE of another model", noted="latent_channels"),
    HostName("comfy.sd.VAE", "telling a VAE of videos", noted="latent_dim"),
    HostName(PATCHER, "loading models and rewards"),
    HostName(f"{PATCHER}.get_model_object", "the shape of latents"),
    HostName(f"{PATCHER}.memory_required", "memory for sampling"),
    HostName(PATCHER, "the device of a model", noted="load_device"),
    HostName(f"{MANAGEMENT}.load_models_gpu", "loading"),
    HostName(f"{MANAGEMENT}.throw_exception_if_processing_interrupted", "cancelling"),
    HostName("comfy.utils.ProgressBar", "the progress bar"),
    HostName("comfy.utils.reshape_mask", "noise masks in the latent's shape"),
    HostName("comfy.cli_args.LatentPreviewMethod", "the preview"),
    HostName("comfy_execution.utils.get_executing_context", "the live view of the right tab"),
    HostName(EASY_CACHE, "telling EasyCache", noted="easycache", where=EASY_CACHE),
    HostName(QWEN_CACHE, "telling Qwen Image 2.1 Cache", noted="qwen_image21_cache", where=QWEN_CACHE),
)

# From the score back to the noise.
GRADIENTS = (
    HostName(f"{MANAGEMENT}.in_training", "operations that have a backward pass"),
    HostName(f"{MANAGEMENT}.reset_cast_buffers", "buffers that another node filled"),
    HostName(f"{MANAGEMENT}.OOM_EXCEPTION", "going on after memory ran out"),
    HostName(f"{MANAGEMENT}.soft_empty_cache", "going on after memory ran out"),
    HostName(f"{MANAGEMENT}.extra_reserved_memory", "choosing what is kept"),
    HostName(f"{MANAGEMENT}.get_free_memory", "choosing what is kept"),
    HostName(f"{MANAGEMENT}.current_loaded_models", "choosing what is kept"),
    HostName(f"{MANAGEMENT}.LoadedModel.model_loaded_memory", "choosing what is kept"),
    HostName(f"{MANAGEMENT}.LoadedModel.model", "choosing what is kept"),
    HostName(f"{MANAGEMENT}.LoadedModel", "choosing what is kept", noted="device"),
    HostName("comfy.sampler_helpers.estimate_memory", "choosing what is kept"),
    HostName("comfy.samplers", "counting prompts", noted="disable_cfg1_optimization"),
    HostName(f"{GUIDER}.predict_noise", "counting prompts"),
    HostName(GUIDER, "counting prompts", noted="cfg"),
    HostName(GUIDER, "counting prompts", noted="conds"),
    HostName(GUIDER, "prompts that autograd can use", noted="original_conds"),
    HostName("comfy.samplers.preprocess_conds_hooks", "LoRAs of single prompts"),
    HostName("comfy.hooks.HookGroup", "LoRAs of single prompts", noted="hooks"),
    HostName("comfy.hooks.WeightHook", "LoRAs of single prompts", noted="_strength_model"),
    HostName("comfy.hooks.Hook", "LoRAs that change from step to step", noted="hook_keyframe"),
    HostName("comfy.hooks.HookKeyframeGroup", "LoRAs that change from step to step", noted="keyframes"),
    HostName(f"{MODEL}.get_dtype_inference", "trying another node's attention"),
    HostName(f"{PATCHER}.model_size", "choosing what is kept"),
    HostName(f"{PATCHER}.loaded_size", "choosing what is kept"),
    HostName(f"{PATCHER}.is_clone", "choosing what is kept"),
    HostName(f"{PATCHER}.get_additional_models_with_key", "telling a model that is split over GPUs"),
    HostName("comfy.sampler_helpers", "telling a model that is split over GPUs", noted="multigpu", since=RECENT),
    HostName(PATCHER, "telling a compiled model", noted="object_patches"),
    HostName(PATCHER, "telling a compiled model", noted="wrappers"),
    HostName("comfy_api.torch_helpers.torch_compile.COMPILE_KEY", "telling a compiled model: 'torch.compile'"),
    # Weights that are cast when a layer runs
    HostName("comfy.ops.cast_bias_weight", "casting weights again for the backward pass"),
    HostName("comfy.ops.uncast_bias_weight", "casting weights again for the backward pass"),
    HostName("comfy.ops.CastWeightBiasOp.comfy_cast_weights", "finding the layers that cast"),
    HostName("comfy.ops.CastWeightBiasOp.weight_function", "finding the layers that cast"),
    HostName("comfy.ops.CastWeightBiasOp.bias_function", "finding the layers that cast"),
    HostName("comfy.ops.disable_weight_init.Linear.forward_comfy_cast_weights", "the part of a layer that casts"),
    HostName("comfy.ops.disable_weight_init.Conv2d.forward_comfy_cast_weights", "the part of a layer that casts"),
    HostName("comfy.ops", "layers that quantize their input", noted="_full_precision_mm"),
    HostName("comfy.ops", "layers that scale their input", noted="pre_quant_scale", since=RECENT),
    HostName("comfy.ops", "telling weights without a backward pass", noted="quant_format"),
    HostName("comfy.ops", "telling --fast cublas_ops", noted="cublas_ops"),
    HostName("comfy.quant_ops.QuantizedTensor", "quantized weights"),
    # Weights that dynamic VRAM streams
    HostName("comfy.ops", "telling streamed weights", noted="_v"),
    HostName("comfy.model_patcher.ModelPatcherDynamic", "telling streamed weights", noted="_v"),
    HostName("comfy.ops", "a cast that ran out of memory", noted="_v_signature"),
    HostName("comfy.ops", "a cast that ran out of memory", noted="_prefetch", since=RECENT),
    HostName("comfy.ops", "a cast that ran out of memory", noted="_lowvram_function"),
    HostName("comfy.model_patcher.LowVramPatch.clear_prepared", "a cast that ran out of memory", since=RECENT),
    HostName("comfy_aimdo.model_vbar.vbar_unpin", "a cast that ran out of memory"),
    HostName(PINNED, "pinned buffers", noted="_pins", since=RECENT),
    HostName(PINNED, "pinned buffers", noted="pin", since=RECENT),
    HostName(f"{PREFETCH}.make_prefetch_queue", "blocks that are cast ahead", since=RECENT),
    HostName(SWITCHES, "switches"),
    HostName(f"{SWITCHES}.disable_cuda_graphs", "CUDA graphs off", where=f"{PREFETCH}._drop_graph"),
    HostName(f"{SWITCHES}.disable_comfy_compiler", "the compiler off", where=f"{PREFETCH}.malloc_graph_begin"),
    # Attention
    HostName(f"{ATTENTION}.attention_pytorch", "attention that has a backward pass"),
    HostName(f"{ATTENTION}.optimized_attention", "telling attention without a backward pass"),
    HostName(ATTENTION, "another attention for the run alone", noted="optimized_attention_override"),
    HostName(f"{ATTENTION}.attention_sage", "telling attention without a backward pass"),
    HostName(f"{ATTENTION}.attention3_sage", "telling attention without a backward pass"),
    HostName(f"{ATTENTION}.attention_flash", "telling attention without a backward pass"),
    HostName(f"{ATTENTION}.attention_comfy_kitchen_int8", "telling attention without a backward pass", since=RECENT),
    HostName(CHOSEN_ATTENTION, "attention that a checkpoint chose", noted="function", where=CHOSEN_ATTENTION),
    # Decoders
    HostName("comfy.ldm.modules.diffusionmodules.model.Decoder", "recomputing the VAE"),
    HostName("comfy.ldm.modules.diffusionmodules.model.Decoder", "telling a decoder of videos", noted="carried"),
    HostName("comfy.ldm.modules.diffusionmodules.model.ResnetBlock", "recomputing the VAE"),
    HostName("comfy.ldm.modules.diffusionmodules.model.AttnBlock", "recomputing the VAE"),
    HostName("comfy.taesd.taesd.TAESD", "memory for decoding"),
)

# A sampler whose noise is tilted: beside all of the above.
TILT = (
    HostName("comfy.samplers.KSAMPLER", "a sampler of the stock kind"),
    HostName("comfy.k_diffusion.sampling.sample_euler_ancestral", "the steps"),
    HostName("comfy.k_diffusion.sampling.default_noise_sampler", "the noise of the steps"),
    HostName("comfy.samplers", "prompts that autograd can use", noted="model_conds"),
    HostName("comfy.conds.CONDRegular", "prompts that autograd can use", noted="cond"),
)

# Classes known by their names, which the blocks that can be recomputed are found by: by the module of the network, all
# that a model of it needs.
_FLUX = ("flux.layers.DoubleStreamBlock", "flux.layers.SingleStreamBlock")
_UNET = ("modules.diffusionmodules.openaimodel.ResBlock", "modules.attention.BasicTransformerBlock")
_UNET += ("modules.diffusionmodules.openaimodel.Downsample", "modules.diffusionmodules.openaimodel.Upsample")
BLOCKS = {
    f"{NETWORKS}.{network.rpartition('.')[0]}": tuple(
        HostName(f"{NETWORKS}.{name}", "finding the blocks of this model") for name in (network, *blocks)
    )
    for network, blocks in {
        "flux.model.Flux": _FLUX,
        "chroma.model.Chroma": _FLUX,
        "lumina.model.NextDiT": ("lumina.model.JointTransformerBlock",),
        "qwen_image.model.QwenImageTransformer2DModel": ("qwen_image.model.QwenImageTransformerBlock",),
        "krea2.model.SingleStreamDiT": ("krea2.model.SingleStreamBlock",),
        "modules.diffusionmodules.openaimodel.UNetModel": _UNET,
    }.items()
}

# Used where they are found; what happens without them is harmless, and said beside each.
OPTIONAL = (
    HostName(f"{MANAGEMENT}.is_oom", "errors that are a lack of memory; without it, OOM_EXCEPTION and texts"),
    HostName("comfy.model_base.Flux2", "presets; a model of the same network gets that network's, and so do all below"),
    *(HostName(f"comfy.model_base.{name}", "presets") for name in ("Flux", "Chroma", "Lumina2", "QwenImage", "Krea2")),
    HostName("comfy.model_base.SDXL", "presets; without it, SD's, which differs in an estimate of memory"),
)


def check_host(needs_gradient: bool) -> None:
    """Raise ValueError where this ComfyUI lacks a name that every run needs, or one with gradients."""
    check_names(PICTURES, "sampling and decoding by the Noise Optimizer")
    if needs_gradient:
        check_names(GRADIENTS, "gradients", WITHOUT_GRADIENTS)


def check_host_for_tilt() -> None:
    """Raise ValueError where this ComfyUI lacks a name that the NoiseTilt Sampler needs."""
    check_names((*PICTURES, *GRADIENTS, *TILT), "the NoiseTilt Sampler")


def check_blocks(diffusion_model: object) -> None:
    """Raise ValueError where the blocks of a known network go by other names in this ComfyUI."""
    names = BLOCKS.get(type(diffusion_model).__module__, ())
    check_names(names, f"gradients of {type(diffusion_model).__name__}", WITHOUT_GRADIENTS)


WITHOUT_GRADIENTS = (
    " Or let an Optimization Method search without gradients (best of seeds, local search), which needs none of it."
)


def check_names(names: tuple[HostName, ...], what: str, remedy: str = "") -> None:
    """Raise ValueError where this ComfyUI lacks some of `names`; `what` needs them, `remedy` ends the message."""
    lacking = missing(names)
    if not lacking:
        return
    raise ValueError(
        f"ComfyUI {version_text()} lacks names that are needed for {what}: {'; '.join(map(str, lacking))}. "
        f"Update the pack GPER Noise Optimizer. This version of it is tested with ComfyUI {TESTED}.{remedy}"
    )
