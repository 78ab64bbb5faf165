from .api.applied import AppliedResults as AppliedResults
from .api.grouped import GroupResults as GroupResults
from .api.loading import load_results as load_results
from .api.model import Model as Model
from .api.model import load_model as load_model
from .api.searched import SearchResults as SearchResults
from .api.study import Study as Study
from .api.tested import ParticipantResults as ParticipantResults

__version__: str
