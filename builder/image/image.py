"""An image: config and layers, immutable; everything produces, transforms or consumes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from builder.errors import ImageError
from builder.image.blob import Blob
from builder.image.config import Config, History
from builder.image.descriptor import Descriptor
from builder.image.layer import Layer
from builder.image.manifest import Manifest
from builder.image.media import Format
from builder.image.platform import Platform
from builder.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """`manifest` and `config_blob` are the exact bytes that were pulled, or that a push will send."""

    config: Config
    layers: tuple[Layer, ...]
    format: Format
    config_blob: Blob
    manifest: Blob

    @classmethod
    def make(
        cls, *, config: Config, layers: tuple[Layer, ...], format: Format, annotations: Mapping[str, str] | None = None
    ) -> Image:
        """A new image; the config's diff_ids are set from the layers, whose media types become those of `format`."""
        layers = tuple(layer.called(format.layer_as(layer.blob.descriptor.media_type)) for layer in layers)
        config = replace(config, diff_ids=tuple(layer.diff_id for layer in layers))
        config_blob = Blob.of(config.to_bytes(), format.config)
        descriptors = tuple(layer.blob.descriptor for layer in layers)
        manifest = Manifest(
            media_type=format.manifest, config=config_blob.descriptor, layers=descriptors, annotations=annotations or {}
        )
        blob = Blob.of(manifest.to_bytes(), format.manifest)
        return cls(config=config, layers=layers, format=format, config_blob=config_blob, manifest=blob)

    @classmethod
    def scratch(cls, platform: Platform) -> Image:
        """The empty image."""
        return cls.make(config=Config(platform=platform), layers=(), format=Format.OCI)

    @classmethod
    def read(cls, *, manifest: Blob, parsed: Manifest, config: Blob, blob_of: Callable[[Descriptor], Blob]) -> Image:
        """The image that a store holds: `config` was read already, `blob_of` says where each layer is.

        Raises ImageError when config and manifest don't belong together.
        """
        with config.open() as stream:
            parsed_config = Config.parse(stream.read())
        if len(parsed_config.diff_ids) != len(parsed.layers):
            raise ImageError(
                f"invalid image {manifest.descriptor.digest}: the manifest has {len(parsed.layers)} layers, "
                f"the config {len(parsed_config.diff_ids)} diff_ids"
            )
        pairs = zip(parsed.layers, parsed_config.diff_ids, strict=True)
        layers = tuple(Layer(blob=blob_of(descriptor), diff_id=diff_id) for descriptor, diff_id in pairs)
        image_format = Format.of_manifest(parsed.media_type)
        return cls(config=parsed_config, layers=layers, format=image_format, config_blob=config, manifest=manifest)

    @property
    def platform(self) -> Platform:
        """What it was made for if that is known, else what its config says."""
        return self.manifest.descriptor.platform or self.config.platform

    def named_for(self, platform: Platform) -> Image:
        """Whatever the config of its base says, this is the platform that it was made for."""
        descriptor = replace(self.manifest.descriptor, platform=platform)
        return replace(self, manifest=replace(self.manifest, descriptor=descriptor))

    def append(self, layer: Layer, history: History) -> Image:
        """With one more layer on top and its history entry."""
        config = replace(self.config, history=(*self.config.history, history))
        return Image.make(config=config, layers=(*self.layers, layer), format=self.format)

    def with_config(self, config: Config) -> Image:
        return Image.make(config=config, layers=self.layers, format=self.format)
