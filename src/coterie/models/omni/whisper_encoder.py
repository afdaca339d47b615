"""`WhisperTower`: Whisper's encoder for any length, which `transformers` fixes at 30 s."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.whisper.modeling_whisper import WhisperAttention


class WhisperTower(nn.Module):
    """The encoder of Radford et al. (2212.04356); for audio of 30 s, equal to transformers'.

    Departs: shorter audio uses the first position embeddings and no padding, at a cost
    proportional to its length. The MLP is a separate module, so that experts can be attached.
    """

    def __init__(self, config: WhisperConfig):
        super().__init__()
        config._attn_implementation = "sdpa"
        width = config.d_model
        self.config = config
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(config.max_source_positions, width)
        self.layers = nn.ModuleList(WhisperLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(width)

    def forward(
        self, mel: Float[Tensor, "rows bands frames"], lengths: Int[Tensor, " rows"]
    ) -> Float[Tensor, "rows seq width"]:
        """Return a state per 20 ms; states beyond an item's length are arbitrary.

        Args:
            mel: log-mel spectrograms, a frame every 10 ms.
            lengths: number of frames of each item without padding.
        """
        gelu = nn.functional.gelu
        # As without batching, both convolutions see zeros after the item instead of padded values.
        inside = torch.arange(mel.shape[2], device=mel.device) < lengths[:, None]
        own = inside[:, None].to(mel.dtype)
        x = gelu(self.conv1(mel * own)) * own
        x = gelu(self.conv2(x)).permute(0, 2, 1)
        x = x + self.embed_positions.weight[: x.shape[1]]
        mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=x, attention_mask=inside[:, ::2].long()
        )
        for layer in self.layers:
            x = layer(x, mask)
        return self.layer_norm(x)


class WhisperLayer(GradientCheckpointingLayer):
    """Attention and MLP, pre-norm with residual connections."""

    def __init__(self, config: WhisperConfig):
        super().__init__()
        self.self_attn = WhisperAttention(
            config.d_model, config.encoder_attention_heads, config.attention_dropout, config=config
        )
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.mlp = WhisperMlp(config)
        self.final_layer_norm = nn.LayerNorm(config.d_model)

    def forward(
        self, x: Float[Tensor, "rows seq width"], mask: Tensor | None
    ) -> Float[Tensor, "rows seq width"]:
        x = x + self.self_attn(self.self_attn_layer_norm(x), attention_mask=mask)[0]
        return x + self.mlp(self.final_layer_norm(x))


class WhisperMlp(nn.Module):
    """The MLP: fc2(act(fc1(x)))."""

    def __init__(self, config: WhisperConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.d_model, config.encoder_ffn_dim)
        self.act = ACT2FN[config.activation_function]
        self.fc2 = nn.Linear(config.encoder_ffn_dim, config.d_model)

    def forward(self, x: Float[Tensor, "*tokens width"]) -> Float[Tensor, "*tokens out"]:
        return self.fc2(self.act(self.fc1(x)))
