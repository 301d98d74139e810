"""Volumes and videos of which voxels, slices, slabs or a ball are missing.

The network sees all axes at once; beside it stand the same network slice by slice, interpolation,
and biharmonic inpainting where it fits. What is measured is measured on missing voxels alone.
"""

from ntkmc import datasets
from ntkmc.experiments import volumes_report
from ntkmc.experiments.volumes_config import VolumesConfig
from ntkmc.experiments.volumes_methods import LABELS, Outcome, complete, make_case
from ntkmc.experiments.volumes_report import Made
from ntkmc.progress import Progress
from ntkmc.report import Report
from ntkmc.results import ResultsFolder


def run(config: VolumesConfig, folder: ResultsFolder, progress: Progress | None = None) -> Made:
    """Run the experiment and write its results folder; metrics are written as they come.

    Raises
    ------
    FileNotFoundError, ValueError
        If a volume cannot be read, or what is missing does not lie within it; before the work.
    """
    cases = []
    for name, one in config.cases.items():
        volume = datasets.load_volume(one.volume.name, one.volume.root)
        cases.append(make_case(name, one, volume, config.seed))
    folder.write_text("config.yaml", config.to_yaml())
    report = Report(
        "Completed volumes",
        "Infinitely wide networks that see all axes at once, slice by slice, and interpolation.",
    )
    made: Made = []
    for case in cases:
        outcomes: list[Outcome] = []
        made.append((case, outcomes))
        for method in config.methods:
            if progress is not None:
                progress(f"{case.name}: {LABELS[method]}", 0, None)
            outcomes.append(complete(case, method, config, progress))
            rows = volumes_report.metric_rows(made)
            if rows:
                folder.write_metrics(rows)
        volumes_report.show(folder, report, case, outcomes)
    if len(made) > 1:
        report.heading("All cases")
        report.table(*volumes_report.table(made))
    report.paragraph(
        "Seconds include compilation and, of the network, the uncertainty; memory is the largest "
        "resident size of the whole process meanwhile."
    )
    report.heading("Configuration")
    report.code(config.to_yaml())
    folder.write_summary(
        experiment=config.experiment,
        seed=config.seed,
        cases={case.name: volumes_report.summary(case, outcomes) for case, outcomes in made},
    )
    folder.write_text("report.html", report.html())
    return made
