"""The works that results of this program rest on, in running text, as a list and as BibTeX."""

from collections.abc import Mapping
from dataclasses import dataclass

_VENUE = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}


@dataclass(frozen=True)
class Reference:
    """One work to cite."""

    kind: str
    """Type of its BibTeX entry."""
    authors: str
    """As BibTeX writes them: ``Family, Given and Family, Given``; ``and others`` for the rest."""
    year: int
    title: str
    venue: str
    """Journal, volume and pages, or where else it is found."""
    url: str
    """Address; empty where none is known."""

    @property
    def label(self) -> str:
        """Short form in running text, e.g. ``Calhas & Henriques, 2022``."""
        names = [name.split(",")[0] for name in self.authors.split(" and ")]
        return f"{' & '.join(names).replace(' & others', ' et al.')}, {self.year}"

    def bibtex(self, key: str) -> str:
        """Entry of a ``.bib`` file."""
        fields = {
            "author": self.authors,
            "year": str(self.year),
            "title": f"{{{self.title}}}",  # its capitals are meant
            _VENUE[self.kind]: self.venue,
            "url": self.url,
        }
        lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
        return f"@{self.kind}{{{key},\n{lines}}}\n"

    @property
    def text(self) -> str:
        """The work as in a list of references, without its address."""
        authors = self.authors.replace(" and others", " et al.")
        return f"{authors} ({self.year}). {self.title}. {self.venue}."

    def __str__(self) -> str:
        return f"{self.text} {self.url}".rstrip()


REFERENCES: Mapping[str, Reference] = {
    "abraham2014": Reference(
        "article",
        "Abraham, Alexandre and others",
        2014,
        "Machine learning for neuroimaging with scikit-learn",
        "Frontiers in Neuroinformatics, 8, 14",
        "https://doi.org/10.3389/fninf.2014.00014",
    ),
    "allen1998": Reference(
        "article",
        "Allen, Philip J. and others",
        1998,
        "Identification of EEG events in the MR scanner: the problem of pulse artifact and a "
        "method for its subtraction",
        "NeuroImage, 8(3), 229–239",
        "https://doi.org/10.1006/nimg.1998.0361",
    ),
    "allen2000": Reference(
        "article",
        "Allen, Philip J. and others",
        2000,
        "A method for removing imaging artifact from continuous EEG recorded during functional MRI",
        "NeuroImage, 12(2), 230–239",
        "https://doi.org/10.1006/nimg.2000.0599",
    ),
    "appelhoff2019": Reference(
        "article",
        "Appelhoff, Stefan and others",
        2019,
        "MNE-BIDS: Organizing electrophysiological data into the BIDS format and facilitating "
        "their analysis",
        "Journal of Open Source Software, 4(44), 1896",
        "https://doi.org/10.21105/joss.01896",
    ),
    "bach2015": Reference(
        "article",
        "Bach, Sebastian and others",
        2015,
        "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance "
        "Propagation",
        "PLOS ONE, 10(7), e0130140",
        "https://doi.org/10.1371/journal.pone.0130140",
    ),
    "benjamini1995": Reference(
        "article",
        "Benjamini, Yoav and Hochberg, Yosef",
        1995,
        "Controlling the false discovery rate: A practical and powerful approach to multiple "
        "testing",
        "Journal of the Royal Statistical Society B, 57(1), 289–300",
        "https://doi.org/10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "brett2024": Reference(
        "misc",
        "Brett, Matthew and others",
        2024,
        "nipy/nibabel",
        "Zenodo",
        "https://doi.org/10.5281/zenodo.591597",
    ),
    "calhas2022": Reference(
        "misc",
        "Calhas, David and Henriques, Rui",
        2022,
        "EEG to fMRI Synthesis Benefits from Attentional Graphs of Electrode Relationships",
        "arXiv:2203.03481",
        "https://arxiv.org/abs/2203.03481",
    ),
    "cochrane1949": Reference(
        "article",
        "Cochrane, Donald and Orcutt, Guy H.",
        1949,
        "Application of least squares regression to relationships containing auto-correlated error "
        "terms",
        "Journal of the American Statistical Association, 44, 32–61",
        "https://doi.org/10.1080/01621459.1949.10483290",
    ),
    "demoura2008": Reference(
        "inproceedings",
        "de Moura, Leonardo and Bjørner, Nikolaj",
        2008,
        "Z3: An Efficient SMT Solver",
        "Tools and Algorithms for the Construction and Analysis of Systems, 337–340",
        "https://doi.org/10.1007/978-3-540-78800-3_24",
    ),
    "dosenbach2010": Reference(
        "article",
        "Dosenbach, Nico U. F. and others",
        2010,
        "Prediction of Individual Brain Maturity Using fMRI",
        "Science, 329(5997), 1358–1361",
        "https://doi.org/10.1126/science.1194144",
    ),
    "esteban2019": Reference(
        "article",
        "Esteban, Oscar and others",
        2019,
        "fMRIPrep: a robust preprocessing pipeline for functional MRI",
        "Nature Methods, 16, 111–116",
        "https://doi.org/10.1038/s41592-018-0235-4",
    ),
    "friston1996": Reference(
        "article",
        "Friston, Karl J. and others",
        1996,
        "Movement-related effects in fMRI time-series",
        "Magnetic Resonance in Medicine, 35(3), 346–355",
        "https://doi.org/10.1002/mrm.1910350312",
    ),
    "friston1998": Reference(
        "article",
        "Friston, Karl J. and others",
        1998,
        "Event-related fMRI: characterizing differential responses",
        "NeuroImage, 7, 30–40",
        "https://doi.org/10.1006/nimg.1997.0306",
    ),
    "gorgolewski2016": Reference(
        "article",
        "Gorgolewski, Krzysztof J. and others",
        2016,
        "The brain imaging data structure, a format for organizing and describing outputs of "
        "neuroimaging experiments",
        "Scientific Data, 3, 160044",
        "https://doi.org/10.1038/sdata.2016.44",
    ),
    "gramfort2013": Reference(
        "article",
        "Gramfort, Alexandre and others",
        2013,
        "MEG and EEG data analysis with MNE-Python",
        "Frontiers in Neuroscience, 7, 267",
        "https://doi.org/10.3389/fnins.2013.00267",
    ),
    "hoerl1970": Reference(
        "article",
        "Hoerl, Arthur E. and Kennard, Robert W.",
        1970,
        "Ridge regression: biased estimation for nonorthogonal problems",
        "Technometrics, 12, 55–67",
        "https://doi.org/10.1080/00401706.1970.10488634",
    ),
    "lindquist2019": Reference(
        "article",
        "Lindquist, Martin A. and others",
        2019,
        "Modular preprocessing pipelines can reintroduce artifacts into fMRI data",
        "Human Brain Mapping, 40(8), 2358–2376",
        "https://doi.org/10.1002/hbm.24528",
    ),
    "liu2019darts": Reference(
        "inproceedings",
        "Liu, Hanxiao and Simonyan, Karen and Yang, Yiming",
        2019,
        "DARTS: Differentiable architecture search",
        "International Conference on Learning Representations",
        "https://arxiv.org/abs/1806.09055",
    ),
    "liu2019sajda": Reference(
        "inproceedings",
        "Liu, Xueqing and Sajda, Paul",
        2019,
        "A convolutional neural network for transcoding simultaneously acquired EEG-fMRI data",
        "9th International IEEE/EMBS Conference on Neural Engineering, 477–482",
        "",
    ),
    "loshchilov2019": Reference(
        "inproceedings",
        "Loshchilov, Ilya and Hutter, Frank",
        2019,
        "Decoupled Weight Decay Regularization",
        "International Conference on Learning Representations",
        "https://arxiv.org/abs/1711.05101",
    ),
    "murphy1988": Reference(
        "article",
        "Murphy, Allan H.",
        1988,
        "Skill Scores Based on the Mean Square Error and Their Relationships to the Correlation "
        "Coefficient",
        "Monthly Weather Review, 116(12), 2417–2424",
        "https://doi.org/10.1175/1520-0493(1988)116%3C2417:SSBOTM%3E2.0.CO;2",
    ),
    "niazy2005": Reference(
        "article",
        "Niazy, Rami K. and others",
        2005,
        "Removal of FMRI environment artifacts from EEG data using optimal basis sets",
        "NeuroImage, 28(3), 720–737",
        "https://doi.org/10.1016/j.neuroimage.2005.06.067",
    ),
    "paszke2019": Reference(
        "inproceedings",
        "Paszke, Adam and others",
        2019,
        "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
        "Advances in Neural Information Processing Systems, 32, 8024–8035",
        "https://arxiv.org/abs/1912.01703",
    ),
    "pernet2019": Reference(
        "article",
        "Pernet, Cyril R. and others",
        2019,
        "EEG-BIDS, an extension to the brain imaging data structure for electroencephalography",
        "Scientific Data, 6, 103",
        "https://doi.org/10.1038/s41597-019-0104-8",
    ),
    "perrin1989": Reference(
        "article",
        "Perrin, Francois and others",
        1989,
        "Spherical splines for scalp potential and current density mapping",
        "Electroencephalography and Clinical Neurophysiology, 72(2), 184–187",
        "https://doi.org/10.1016/0013-4694(89)90180-6",
    ),
    "posse1999": Reference(
        "article",
        "Posse, Stefan and others",
        1999,
        "Enhancement of BOLD-contrast sensitivity by single-shot multi-echo functional MR imaging",
        "Magnetic Resonance in Medicine, 42(1), 87–97",
        "https://doi.org/10.1002/(SICI)1522-2594(199907)42:1%3C87::AID-MRM13%3E3.0.CO;2-O",
    ),
    "prichard1994": Reference(
        "article",
        "Prichard, Dean and Theiler, James",
        1994,
        "Generating surrogate data for time series with several simultaneously measured variables",
        "Physical Review Letters, 73(7), 951–954",
        "https://doi.org/10.1103/PhysRevLett.73.951",
    ),
    "rahimi2007": Reference(
        "inproceedings",
        "Rahimi, Ali and Recht, Benjamin",
        2007,
        "Random Features for Large-Scale Kernel Machines",
        "Advances in Neural Information Processing Systems, 20, 1177–1184",
        "https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines",
    ),
    "ridler1978": Reference(
        "article",
        "Ridler, T. W. and Calvard, S.",
        1978,
        "Picture Thresholding Using an Iterative Selection Method",
        "IEEE Transactions on Systems, Man, and Cybernetics, 8(8), 630–632",
        "https://doi.org/10.1109/TSMC.1978.4310039",
    ),
    "satterthwaite2013": Reference(
        "article",
        "Satterthwaite, Theodore D. and others",
        2013,
        "An improved framework for confound regression and filtering for control of motion "
        "artifact in the preprocessing of resting-state functional connectivity data",
        "NeuroImage, 64, 240–256",
        "https://doi.org/10.1016/j.neuroimage.2012.08.052",
    ),
    "wang2004": Reference(
        "article",
        "Wang, Zhou and others",
        2004,
        "Image Quality Assessment: From Error Visibility to Structural Similarity",
        "IEEE Transactions on Image Processing, 13(4), 600–612",
        "https://doi.org/10.1109/TIP.2003.819861",
    ),
    "yarkoni2019": Reference(
        "article",
        "Yarkoni, Tal and others",
        2019,
        "PyBIDS: Python tools for BIDS datasets",
        "Journal of Open Source Software, 4(40), 1294",
        "https://doi.org/10.21105/joss.01294",
    ),
}


def cite(*keys: str) -> str:
    """Return the short forms of some works, for brackets in running text."""
    return "; ".join(REFERENCES[key].label for key in keys)


def reference_list(text: str) -> list[str]:
    """List the works that ``text`` cites, by first author."""
    return [str(work) for work in REFERENCES.values() if work.label in text]


def bibliography(text: str) -> str:
    """Return the works that ``text`` cites as BibTeX."""
    return "\n".join(work.bibtex(key) for key, work in REFERENCES.items() if work.label in text)


CREDITS = (
    "Each report says what was run and cites it. Any use of the results rests on the method of "
    f"{cite('calhas2022')}, on the data standard ({cite('gorgolewski2016', 'pernet2019')}), and on "
    f"PyBIDS ({cite('yarkoni2019')}), MNE-Python ({cite('gramfort2013')}), MNE-BIDS "
    f"({cite('appelhoff2019')}), NiBabel ({cite('brett2024')}), Nilearn ({cite('abraham2014')}), "
    f"PyTorch ({cite('paszke2019')}) and Z3 ({cite('demoura2008')})."
)
"""Whom every use of this program should cite."""
