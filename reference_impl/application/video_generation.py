"""Video generation: denoise a few frames at once, given those before, and go on from there.

Idea
    A clip is one observation: its frames are the channels of an image, so that a convolution sees a
    pixel at all times at once and motion is a pattern like any other. Diffusion noises the clip x_0,

        x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps,

    and the network, which also gets the first frames c clean, as further channels, predicts the clip:

        L = E |x_0 - f(x_t, t, c)|^2.

    In some examples c is blank, so the same network begins a video from nothing. A longer video
    comes about by continuing: the last frames become c. Where the past decides what follows, f has
    almost all of it already at t = T, so most examples with a past are noised strongly (t / T is the
    fifth root of a uniform number); and every block adds its error to the ones before.

Source
    Ho, Salimans, Gritsenko, Chan, Norouzi & Fleet, "Video Diffusion Models", 2022. arXiv:2204.03458
    Past frames hidden at random: Voleti, Jolicoeur-Martineau & Pal, "MCVD", 2022. arXiv:2205.09853

Differs from the paper
    Frames are channels of a small two-dimensional U-Net instead of an axis of a three-dimensional
    one; gray frames; it predicts x_0, which for few steps and a known past is better than eps.

Shapes
    B batch, T noise levels, F frames of a clip, P of them given, H x W pixels; t in {1, ..., T}.

Run
    genai-patterns run video_generation --data videos.npy
"""

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from reference_impl.blocks_unet import UNet
from reference_impl.core import Batch, Losses, main
from reference_impl.diffusion.ddpm import DDPM, DDPMConfig


class VideoConfig(DDPMConfig):
    """The clip and the network that denoises it."""

    shape: tuple[int, int, int] = (8, 16, 16)
    """Frames F, height and width of a clip, with values in [0, 1]."""
    past: PositiveInt = 4
    """P, the frames that a continuation is given; F - P are new."""
    blank: float = Field(0.1, ge=0, le=1)
    """Share of the training examples that are given no past."""
    timesteps: PositiveInt = 12
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 3e-3
    steps: NonNegativeInt = 1800

    @model_validator(mode="after")
    def _something_is_new(self) -> "VideoConfig":
        if self.past >= self.shape[0]:
            raise ValueError(f"past={self.past} leaves no new frame in clips of {self.shape[0]}; lower it")
        return self


class VideoDiffusion(DDPM):
    """Diffusion over the frames of a clip, with or without the frames before."""

    task = "videos"
    Config = VideoConfig

    def network(self) -> nn.Module:
        """The clip from its noised version and the past: (B, F + P, H, W) -> (B, F, H, W)."""
        frames = self.cfg.shape[0]
        return UNet(frames + self.cfg.past, frames, self.cfg.hidden)

    def loss(self, batch: Batch) -> Losses:
        """Mean squared error of the predicted clip; batch.x is (B, F, H, W)."""
        x0 = 2 * batch.x - 1
        shown = torch.rand(len(x0), 1, 1, 1, device=x0.device) >= self.cfg.blank
        # with a past mostly strong noise, under which the past alone tells what follows
        power = torch.where(shown, 1 / 5, 1.0)[:, 0, 0, 0]
        u = torch.rand(len(x0), device=x0.device) ** power
        # the power rounds numbers just below 1 up to it
        t = (1 + (self.cfg.timesteps * u).long()).clamp(max=self.cfg.timesteps)
        x = self.noised(x0, t, torch.randn_like(x0))
        given = torch.cat([x, x0[:, : self.cfg.past] * shown], 1)
        return {"loss": F.mse_loss(self.net(given, t / self.cfg.timesteps), x0)}

    def predict_noise(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """What is left of x_t without the predicted clip; y is the past in [-1, 1] or zero."""
        y = x.new_zeros(len(x), self.cfg.past, *x.shape[2:]) if y is None else y
        x0 = self.averaged(torch.cat([x, y], 1), t / self.cfg.timesteps)
        abar = self.abar[t].view(-1, 1, 1, 1)
        return (x - abar.sqrt() * x0) / (1 - abar).sqrt()

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n clips (n, F, H, W) that begin with the frames y (n, P, H, W), where given, in [0, 1]."""
        if y is None:
            return super().sample(n)
        return torch.cat([y, super().sample(n, 2 * y - 1)[:, self.cfg.past :]], 1)

    def extend(self, video: Tensor, frames: int) -> Tensor:
        """A video (n, P or more, H, W), and so many frames more, block by block."""
        past, end = self.cfg.past, video.shape[1] + frames
        if video.shape[1] < past:
            raise ValueError(f"{video.shape[1]} frames are given; at least {past} are needed to see the motion")
        while video.shape[1] < end:
            new = self.sample(len(video), video[:, -past:])[:, past:]
            video = torch.cat([video, new], 1)
        return video[:, :end]


if __name__ == "__main__":
    main(VideoDiffusion)
