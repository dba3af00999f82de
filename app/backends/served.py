"""The model that is served now, how native is run, and the models that were served before."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.backends.backend import Spec
from app.metrics import Metrics
from app.model_folder import Model
from converter.disk import hashes
from converter.disk.hashes import FileHash

_MOST_NAMES = 20_000  # of a model's classes, that it gives with answers


@dataclass(slots=True)
class Served:
    """The one owner of which model is served; everybody else reads it here."""

    now: Model
    sha256: str | None  # of its files; None until they have been read, which may take minutes
    run: Spec  # how native is run, of whatever model
    metrics: Metrics
    server: str  # the server's own version
    file_hash: FileHash = hashes.sha256  # of its files, and of those of its copies
    switches: int = field(default=0, init=False)  # how often another one took its place; names that it learns are none
    _known: dict[str, Model] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.admit(self.now)
        self._show()

    @property
    def spec(self) -> Spec:
        """How native is run with the present model."""
        return self.spec_of(self.now)

    def spec_of(self, model: Model) -> Spec:
        """How native would be run with this model."""
        return replace(self.run, folder=model.folder, version=model.version)

    def model_of(self, version: str) -> Model:
        """The model of an answer, by the version that it carries: answers under way may be an older model's."""
        return self._known.get(version, self.now)

    def learn(self, version: str, names: Mapping[int, str]) -> None:
        """Names of classes that this model gave with an answer; those in its file of labels stay."""
        model = self.model_of(version)
        new = {class_id: name for class_id, name in names.items() if class_id not in model.labels}
        if not new or len(model.labels) + len(new) > _MOST_NAMES:
            return
        learnt = replace(model, labels={**model.labels, **new})
        self.admit(learnt)
        if model is self.now:
            self.now = learnt

    def admit(self, model: Model) -> None:
        """From now on answers may be this model's."""
        self._known[model.version] = model

    def name(self, model: Model) -> None:
        """The model that is served, with its labels settled."""
        self.admit(model)
        self.now = model

    def switch_to(self, model: Model, sha256: str) -> None:
        """From now on this model is served."""
        self.admit(model)
        self.now, self.sha256 = model, sha256
        self.switches += 1
        self._show()

    def _show(self) -> None:
        self.metrics.model_info.clear()
        self.metrics.model_info.labels(self.now.name, self.now.version, self.server).set(1)
