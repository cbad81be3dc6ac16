"""Published models: names, places and figures, each with its source.

Names, repositories, activations and preprocessing of what OpenCLIP can load are those of its
``src/open_clip/pretrained.py``; licences are the hub's tags. Figures that were not read in their
sources are left out, and so are models that clipcli cannot run: towers of other kinds, TinyCLIP's
automatically pruned ones (each layer has its own width), SigLIP 2's NaFlex, and SigLIP's so400m
"i18n" (no projection behind its text tower).

The tables are text: a row a line, columns apart by spaces, ``-`` for what was not read.
"""

from __future__ import annotations

from collections.abc import Mapping

OPENCLIP_SOURCE = (
    "https://github.com/mlfoundations/open_clip/blob/89fb801f/docs/openclip_results.csv"
)
OPENAI_SOURCE = "https://github.com/openai/CLIP/blob/d05afc43/clip/clip.py"
METACLIP_SOURCE = "https://github.com/facebookresearch/MetaCLIP/blob/f47f7841/README.md"
METACLIP_HASH_SOURCE = METACLIP_SOURCE.replace("README.md", "src/mini_clip/pretrained.py")
TINYCLIP_SOURCE = "https://github.com/wkcn/TinyCLIP/blob/ad981bf3/README.md"
SIGLIP2_SOURCE = (
    "https://github.com/google-research/big_vision/blob/0127fb6b/"
    "big_vision/configs/proj/image_text/README_siglip2.md"
)
SIGLIP_HASH_SOURCE = (
    "https://huggingface.co/google/siglip-large-patch16-384/blob/"
    "842447fb7dc4db8e8fc3bb0bb09906408eff49ee/model.safetensors"
)

# OpenCLIP's model and tag, repository, zero-shot ImageNet top-1 in per cent (OPENCLIP_SOURCE).
# Subtle: for ViT-B-16.dfn2b OpenCLIP's code says QuickGELU since 2024, but Apple's
# open_clip_config.json does not, and the accuracy was measured without.
CLIPS: Mapping[str, str] = {
    "OpenAI": """
    RN50.openai          timm/resnet50_clip.openai              59.82  quick_gelu
    RN101.openai         timm/resnet101_clip.openai             62.28  quick_gelu
    RN50x4.openai        timm/resnet50x4_clip.openai            66.27  quick_gelu
    RN50x16.openai       timm/resnet50x16_clip.openai           70.72  quick_gelu
    RN50x64.openai       timm/resnet50x64_clip.openai           73.91  quick_gelu
    ViT-B-32.openai      timm/vit_base_patch32_clip_224.openai  63.32  quick_gelu
    ViT-B-16.openai      timm/vit_base_patch16_clip_224.openai  68.34  quick_gelu
    ViT-L-14.openai      timm/vit_large_patch14_clip_224.openai 75.54  quick_gelu
    ViT-L-14-336.openai  timm/vit_large_patch14_clip_336.openai 76.56  quick_gelu
    """,
    "LAION-400M": """
    ViT-B-32.laion400m_e32  timm/vit_base_patch32_clip_224.laion400m_e32  62.93  quick_gelu
    ViT-B-16.laion400m_e32  timm/vit_base_patch16_clip_224.laion400m_e32  67.05  gelu
    ViT-B-16-plus-240.laion400m_e31  timm/vit_base_patch16_plus_clip_240.laion400m_e31  69.04  gelu
    ViT-L-14.laion400m_e32  timm/vit_large_patch14_clip_224.laion400m_e32 72.77  gelu
    """,
    "LAION-2B": """
    ViT-B-32.laion2b_s34b_b79k     laion/CLIP-ViT-B-32-laion2B-s34B-b79K     66.56  gelu
    ViT-B-16.laion2b_s34b_b88k     laion/CLIP-ViT-B-16-laion2B-s34B-b88K     70.23  gelu
    ViT-L-14.laion2b_s32b_b82k     laion/CLIP-ViT-L-14-laion2B-s32B-b82K     75.25  gelu
    ViT-H-14.laion2b_s32b_b79k     laion/CLIP-ViT-H-14-laion2B-s32B-b79K     77.96  gelu
    ViT-g-14.laion2b_s12b_b42k     laion/CLIP-ViT-g-14-laion2B-s12B-b42K     76.63  gelu
    ViT-g-14.laion2b_s34b_b88k     laion/CLIP-ViT-g-14-laion2B-s34B-b88K     78.47  gelu
    ViT-bigG-14.laion2b_s39b_b160k laion/CLIP-ViT-bigG-14-laion2B-39B-b160k  80.09  gelu
    """,
    "DataComp": """
    ViT-B-32.datacomp_xl_s13b_b90k  laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K  69.17  gelu
    ViT-B-32-256.datacomp_s34b_b86k laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K 72.81  gelu
    ViT-B-16.datacomp_xl_s13b_b90k  laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K  73.49  gelu
    ViT-L-14.datacomp_xl_s13b_b90k  laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K  79.21  gelu
    """,
    "MetaCLIP": """
    ViT-B-32.metaclip_400m    timm/vit_base_patch32_clip_224.metaclip_400m   65.58  quick_gelu
    ViT-B-32.metaclip_fullcc  timm/vit_base_patch32_clip_224.metaclip_2pt5b  67.66  quick_gelu
    ViT-B-16.metaclip_400m    timm/vit_base_patch16_clip_224.metaclip_400m   70.80  quick_gelu
    ViT-B-16.metaclip_fullcc  timm/vit_base_patch16_clip_224.metaclip_2pt5b  72.12  quick_gelu
    ViT-L-14.metaclip_400m    timm/vit_large_patch14_clip_224.metaclip_400m  76.20  quick_gelu
    ViT-L-14.metaclip_fullcc  timm/vit_large_patch14_clip_224.metaclip_2pt5b 79.17  quick_gelu
    ViT-H-14.metaclip_fullcc  timm/vit_huge_patch14_clip_224.metaclip_2pt5b  80.51  quick_gelu
    ViT-H-14.metaclip_altogether  timm/vit_huge_patch14_clip_224.metaclip_altogether  82.0  gelu
    ViT-bigG-14.metaclip_fullcc timm/vit_gigantic_patch14_clip_224.metaclip_2pt5b 82.1 quick_gelu
    """,
    "DFN": """
    ViT-B-16.dfn2b       apple/DFN2B-CLIP-ViT-B-16      76.24  gelu
    ViT-L-14.dfn2b       apple/DFN2B-CLIP-ViT-L-14      81.41  quick_gelu
    ViT-L-14.dfn2b_s39b  apple/DFN2B-CLIP-ViT-L-14-39B  82.19  gelu
    ViT-H-14.dfn5b       apple/DFN5B-CLIP-ViT-H-14      83.44  quick_gelu
    ViT-H-14-378.dfn5b   apple/DFN5B-CLIP-ViT-H-14-378  84.37  quick_gelu
    """,
}
OTHER_SOURCES = {  # of the accuracies that OPENCLIP_SOURCE does not have
    "ViT-H-14.metaclip_altogether": METACLIP_SOURCE,
    "ViT-bigG-14.metaclip_fullcc": METACLIP_SOURCE,
    "ViT-L-14.dfn2b_s39b": "https://huggingface.co/apple/DFN2B-CLIP-ViT-L-14-39B",
}
LICENCES = {
    "OpenAI": "mit",  # of the code and weights: https://github.com/openai/CLIP/blob/main/LICENSE
    "LAION-400M": "mit",
    "LAION-2B": "mit",
    "DataComp": "mit",
    "MetaCLIP": "cc-by-nc-4.0",
    "DFN": "apple-amlr",
    "TinyCLIP": "mit",
    "SigLIP": "apache-2.0",
    "SigLIP 2": "apache-2.0",
}
OTHER_LICENCES = {
    "ViT-B-16.laion400m_e32": "-",
    "ViT-L-14.laion400m_e32": "-",
    "ViT-L-14.dfn2b": "apple-sample-code-license",
    "ViT-L-14.dfn2b_s39b": "apple-sample-code-license",
}
HALF_NORMALISED = {"ViT-L-14.laion2b_s32b_b82k"}  # mean and deviation 0.5, not OpenAI's
SQUASHED = {"ViT-H-14.dfn5b", "ViT-H-14-378.dfn5b"}  # whole picture, aspect ratio not kept

# What else people call them. OpenCLIP's pairs and the repositories' names need not be here.
OTHER_NAMES = {
    "RN50.openai": "RN50",
    "RN101.openai": "RN101",
    "RN50x4.openai": "RN50x4",
    "RN50x16.openai": "RN50x16",
    "RN50x64.openai": "RN50x64",
    "ViT-B-32.openai": "ViT-B/32 openai/clip-vit-base-patch32 clip-vit-base-patch32",
    "ViT-B-16.openai": "ViT-B/16 openai/clip-vit-base-patch16 clip-vit-base-patch16",
    "ViT-L-14.openai": "ViT-L/14 openai/clip-vit-large-patch14 clip-vit-large-patch14",
    "ViT-L-14-336.openai": "ViT-L/14@336px ViT-L/14@336 "
    "openai/clip-vit-large-patch14-336 clip-vit-large-patch14-336",
    "ViT-B-32.metaclip_400m": "facebook/metaclip-b32-400m",
    "ViT-B-32.metaclip_fullcc": "facebook/metaclip-b32-fullcc2.5b ViT-B-32/metaclip_2_5b",
    "ViT-B-16.metaclip_400m": "facebook/metaclip-b16-400m",
    "ViT-B-16.metaclip_fullcc": "facebook/metaclip-b16-fullcc2.5b ViT-B-16/metaclip_2_5b",
    "ViT-L-14.metaclip_fullcc": "facebook/metaclip-l14-fullcc2.5b ViT-L-14/metaclip_2_5b",
    "ViT-H-14.metaclip_fullcc": "facebook/metaclip-h14-fullcc2.5b ViT-H-14/metaclip_2_5b",
    "ViT-H-14.metaclip_altogether": "ViT-H-14/metaclip_v1_2_altogether",
    "ViT-bigG-14.metaclip_fullcc": "ViT-bigG-14/metaclip_2_5b",
}
# Repositories whose lists of files were looked at; the others' are left to ``wanted_files``.
FILES = {
    "RN50.openai": "open_clip_model.safetensors",
    "RN50x16.openai": "open_clip_model.safetensors",
    "RN50x64.openai": "open_clip_model.safetensors",
    "ViT-B-32.openai": "open_clip_model.safetensors",
    "ViT-g-14.laion2b_s12b_b42k": "open_clip_pytorch_model.safetensors",
    "ViT-B-16.dfn2b": "open_clip_pytorch_model.bin",
}
# Files that the authors publish with their digests; on the hub lie the same weights in other files.
HASHES = f"""
    {OPENAI_SOURCE}
    RN50.openai RN50.pt afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762
    RN101.openai RN101.pt 8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599
    RN50x4.openai RN50x4.pt 7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd
    RN50x16.openai RN50x16.pt 52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa
    RN50x64.openai RN50x64.pt be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c
    ViT-B-32.openai ViT-B-32.pt 40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af
    ViT-B-16.openai ViT-B-16.pt 5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f
    ViT-L-14.openai ViT-L-14.pt b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836
    ViT-L-14-336.openai ViT-L-14-336px.pt
        3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02
    {METACLIP_HASH_SOURCE}
    ViT-B-32.metaclip_400m b32_400m.pt
        3c68642594a329afc1ec0fe489ee2b58ab19c9d0556ccf7c404a59baa0762d71
    ViT-B-32.metaclip_fullcc b32_fullcc2.5b.pt
        885b7ec11fe07a9826e2e6812d70e5011918e32fe9b12136b49d5dded92b4386
    ViT-B-16.metaclip_400m b16_400m.pt
        68dfb5996c52a8f4fecb9bd16601e97e1895236645082778bd9cede8429a8d49
    ViT-B-16.metaclip_fullcc b16_fullcc2.5b.pt
        512ea0fb9f2cf88d027e96e4674247a1a91a96af18abc2e2fcdb8008c551e04b
    ViT-L-14.metaclip_400m l14_400m.pt
        51c782959f920b030779e494517b8d545f56794df6b0a2796a4c310455a361be
    ViT-L-14.metaclip_fullcc l14_fullcc2.5b.pt
        ce24750710544ee288ef0abdead2016730da1893a1d07447bda3a75e1c148f97
    ViT-H-14.metaclip_fullcc h14_fullcc2.5b.pt
        1286807d5cc8d9a0b12563b47474efb53b9522eb3d7eac5a9a5d39c3a776ad5c
    ViT-H-14.metaclip_altogether h14_v1.2_altogether.pt
        c4ee0a62c58a38867df142d7be3b0aa1988d6ac49293971b177a03ead6092cc6
    ViT-bigG-14.metaclip_fullcc G14_fullcc2.5b.pt
        5fe2b83c7439e0caa2c855dec9a2eaa54f17f3ced288218564b640ca7953447f
    {SIGLIP_HASH_SOURCE}
    siglip-large-patch16-384 model.safetensors
        ab804d2c2c631159f65afa1de27787c5dba90cbfa189f26404de1944d50a18a2
"""
# Repository of wkcn: shape, training data, accuracy (TINYCLIP_SOURCE).
TINYCLIPS = """
    TinyCLIP-ViT-8M-16-Text-3M   YFCC15M    41.1
    TinyCLIP-ViT-39M-16-Text-19M YFCC15M    63.5
    TinyCLIP-ViT-40M-32-Text-19M LAION400M  59.8
    TinyCLIP-ViT-61M-32-Text-29M LAION400M  62.4
"""
# Repository of google, accuracy (OPENCLIP_SOURCE; for SigLIP 2 SIGLIP2_SOURCE), OpenCLIP's name.
SIGLIPS = """
    siglip-base-patch16-224               76.04  ViT-B-16-SigLIP
    siglip-base-patch16-256               76.53  ViT-B-16-SigLIP-256
    siglip-base-patch16-384               78.49  ViT-B-16-SigLIP-384
    siglip-base-patch16-512               79.14  ViT-B-16-SigLIP-512
    siglip-base-patch16-256-multilingual  75.13  ViT-B-16-SigLIP-i18n-256
    siglip-large-patch16-256              80.45  ViT-L-16-SigLIP-256
    siglip-large-patch16-384              82.07  ViT-L-16-SigLIP-384
    siglip-so400m-patch14-224             82.03  ViT-SO400M-14-SigLIP
    siglip-so400m-patch14-384             83.08  ViT-SO400M-14-SigLIP-384
    siglip2-base-patch32-256              74.0   ViT-B-32-SigLIP2-256
    siglip2-base-patch16-224              78.2   ViT-B-16-SigLIP2
    siglip2-base-patch16-256              79.1   ViT-B-16-SigLIP2-256
    siglip2-base-patch16-384              80.6   ViT-B-16-SigLIP2-384
    siglip2-base-patch16-512              81.2   ViT-B-16-SigLIP2-512
    siglip2-large-patch16-256             82.5   ViT-L-16-SigLIP2-256
    siglip2-large-patch16-384             83.1   ViT-L-16-SigLIP2-384
    siglip2-large-patch16-512             83.5   ViT-L-16-SigLIP2-512
    siglip2-so400m-patch14-224            83.2   ViT-SO400M-14-SigLIP2
    siglip2-so400m-patch14-384            84.1   ViT-SO400M-14-SigLIP2-378
    siglip2-so400m-patch16-256            83.4   ViT-SO400M-16-SigLIP2-256
    siglip2-so400m-patch16-384            84.1   ViT-SO400M-16-SigLIP2-384
    siglip2-so400m-patch16-512            84.3   ViT-SO400M-16-SigLIP2-512
    siglip2-giant-opt-patch16-256         84.5   ViT-gopt-16-SigLIP2-256
    siglip2-giant-opt-patch16-384         85.0   ViT-gopt-16-SigLIP2-384
"""
