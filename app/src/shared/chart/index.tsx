import { useEffect, useRef } from 'react';
import uPlot from 'uplot';

export interface ChartProps {
  /** What the chart shows, in words: for those who do not see it. */
  label: string;
  /** Unix seconds, ascending. */
  times: number[];
  /** As a line, unless it says `bars`, or `steps`: each value holds until the next. */
  series: { label: string; values: (number | null)[]; bars?: boolean; steps?: boolean }[];
  format?: (value: number) => string;
  height?: number;
}

/** Colours of series, by their order: roles of the theme. */
const COLORS = ['--accent', '--warn', '--good', '--bad', '--muted'];

/** Values over time. Drawn anew when the theme or the width changes. */
export function Chart({ label, times, series, format = String, height = 200 }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let plot: uPlot | null = null;
    const draw = () => {
      plot?.destroy();
      const style = getComputedStyle(document.documentElement);
      const color = (name: string) => style.getPropertyValue(name).trim();
      const axis = {
        stroke: color('--muted'),
        font: `12px ${getComputedStyle(document.body).fontFamily}`,
        grid: { stroke: color('--line'), width: 1 },
        ticks: { show: false },
      };
      plot = new uPlot(
        {
          width: element.clientWidth || 300,
          height,
          legend: { show: series.length > 1, live: false },
          cursor: { y: false },
          axes: [axis, { ...axis, size: 70, values: (_: uPlot, ticks: number[]) => ticks.map(format) }],
          scales: { y: { range: (_: uPlot, min: number, max: number) => [Math.min(0, min), max > 0 ? max * 1.1 : 1] } },
          series: [
            {},
            ...series.map(({ label, bars, steps }, i) => {
              const stroke = color(COLORS[i % COLORS.length] ?? '--accent');
              return {
                label,
                stroke,
                width: 2,
                value: (_: uPlot, value: number | null) => (value === null ? '' : format(value)),
                ...(bars
                  ? { paths: uPlot.paths.bars?.({ size: [0.6, 48] }), fill: stroke, points: { show: false } }
                  : {}),
                ...(steps ? { paths: uPlot.paths.stepped?.({ align: 1 }), points: { show: false } } : {}),
              };
            }),
          ],
        },
        [times, ...series.map(({ values }) => values)] as uPlot.AlignedData,
        element,
      );
    };
    draw();
    const resized = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      resized.disconnect();
      themed.disconnect();
      plot?.destroy();
    };
  }, [times, series, format, height]);
  return (
    // The drawing's width says nothing about the page's: it follows, also when the page narrows.
    <figure className="w-full min-w-0 [contain:inline-size]">
      <div ref={box} role="img" aria-label={label} style={{ minHeight: height }} />
    </figure>
  );
}
