/** The page's one style sheet: light or dark as the system is set, no image, no font from elsewhere. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f7f9, #14171c);
  --card: light-dark(#ffffff, #1d2229);
  --text: light-dark(#1a2027, #e6e9ee);
  --quiet: light-dark(#57606c, #9aa4b1);
  --line: light-dark(#dde1e7, #323a45);
  --stable: light-dark(#1c7c54, #4bc08d);
  --candidate: light-dark(#b45f06, #f0a54a);
  --alarm: light-dark(#b3261e, #ff8a80);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 1200px; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; padding-top: 1rem; }
h1 { font-size: 1.25rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
small, header p { color: var(--quiet); font-weight: normal; }
header p { margin: 0; font-variant-numeric: tabular-nums; }
#connection p.lost { color: var(--alarm); font-weight: 600; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); margin: 1rem 0 2rem; }
.service { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; }
.service:target, .service:focus { outline: 2px solid var(--candidate); }
ul { list-style: none; margin: 0; padding: 0; }
.share { display: grid; grid-template-columns: minmax(4rem, 8rem) 1fr 3.5rem; gap: .6rem; align-items: center; margin: .3rem 0; }
.version { overflow-wrap: anywhere; }
.weight { text-align: right; font-variant-numeric: tabular-nums; }
.bar { width: 100%; height: .9rem; background: var(--line); border-radius: 4px; }
.fill { fill: var(--stable); transition: width .4s; }
.candidate .fill { fill: var(--candidate); }
.rollout { margin: .7rem 0 0; font-variant-numeric: tabular-nums; }
.alarming .phase, .alarming .because { color: var(--alarm); }
.because { display: block; }
.notes { margin-top: .6rem; color: var(--quiet); font-size: .875rem; overflow-wrap: anywhere; }
.journal { overflow-x: auto; margin-bottom: 2rem; }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 600; border-top: 0; }
.when, .stream, .actor { white-space: nowrap; color: var(--quiet); font-variant-numeric: tabular-nums; }
.message, .why { min-width: 14rem; }
.why { color: var(--quiet); }
.trusts:empty { display: none; }
.trust { margin: 0 0 1rem; }
.roots li, .workloads li { display: grid; grid-template-columns: minmax(7rem, 14rem) minmax(8rem, 12rem) 1fr 1fr; gap: .6rem; margin: .2rem 0; font-size: .875rem; }
.roots { color: var(--quiet); }
.roots .alarming, .workloads .alarming { color: var(--alarm); }
.phases { display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; margin: .7rem 0; padding: 0; }
.phases li { padding: .1rem .7rem; border-radius: 1rem; border: 1px solid var(--line); color: var(--quiet); }
.phases .done { color: var(--stable); border-color: var(--stable); }
.phases .under-way { background: var(--candidate); border-color: var(--candidate); color: var(--card); font-weight: 600; }
.workload { font-variant-numeric: tabular-nums; }
@media (prefers-reduced-motion: reduce) { .fill { transition: none; } }
`;
