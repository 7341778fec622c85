"""The few kinds of panels that boards are made of, by Grafana's own library."""

import re
from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 8
Query = tuple[str, str]
"""PromQL, and the legend."""
CHOSEN = 'namespace=~"$namespace"'
SERIES = re.compile(r"\b(mortarboard_\w+|process_\w+|slo:[\w:]+|up)\b(\{)?")


def of_chosen(query: str) -> str:
    """The query about the chosen namespaces only; every board asks so, since one Prometheus may read many."""
    return SERIES.sub(lambda one: f"{one[1]}{{{CHOSEN}{',' if one[2] else '}'}", query)


def _target(query: Query, number: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(of_chosen(query[0]))
        .legend_format(query[1])
        .ref_id(chr(ord("A") + number))
    )


def line(
    title: str, *queries: Query, unit: str = "short", says: str = "", width: int = 8, stacked: bool = False
) -> timeseries.Panel:
    """A time series of one or more queries."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(width)
        .height(HEIGHT)
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(20 if stacked else 0)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003 -- the library's way
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for number, query in enumerate(queries):
        panel.with_target(_target(query, number))
    return panel


def figure(
    title: str, query: str, unit: str = "short", says: str = "", bad: float | None = None, width: int = 4
) -> stat.Panel:
    """One number; red from `bad` on."""
    steps = [model.Threshold(value=None, color="green")]
    if bad is not None:
        steps.append(model.Threshold(value=bad, color="red"))
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(4)
        .thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(_target((query, ""), 0))
    )


def _namespaces() -> dashboard.QueryVariable:
    """Which installations: those that say a namespace, or all; "all" also matches who says none."""
    return (
        dashboard.QueryVariable("namespace")
        .label("Namespace")
        .datasource(SOURCE)
        .query("label_values(mortarboard_build_info, namespace)")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 -- the library's way
        .include_all(True)  # noqa: FBT003
        .all_value(".*")
        .current(model.VariableOption(text=["All"], value=["$__all"], selected=True))
    )


def board(uid: str, title: str, says: str, *rows: tuple[str, Sequence[object]]) -> dashboard.Dashboard:
    """A board of titled rows of panels, over the last six hours."""
    whole = (
        dashboard.Dashboard(title)
        .uid(f"mortarboard-{uid}")
        .description(says)
        .tags(["mortarboard"])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_namespaces())
        .link(
            dashboard.DashboardLink("Mortarboard")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["mortarboard"])
        )
    )
    for heading, panels in rows:
        whole.with_row(dashboard.Row(heading))
        for panel in panels:
            whole.with_panel(panel)  # type: ignore[arg-type]
    return whole
