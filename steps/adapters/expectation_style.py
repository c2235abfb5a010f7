"""The style sheet of offline Data Docs: the Bootstrap classes they use, without Bootstrap."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --panel: #f5f6f8; --line: #d9dde3;
  --ink: #1d2430; --quiet: #5b6675; --link: #1d5fbf; --good: #1a7f47; --bad: #c0312b;
  --mixed: #a76300; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181f; --panel: #1d232c;
  --line: #343c48; --ink: #e6eaf0; --quiet: #9aa5b4; --link: #7db0ff; --good: #5fcf8f;
  --bad: #ff857d; --mixed: #f0b35c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
p, ul, ol, h4, h5, h6, table { margin: 0 0 .6rem; }
h4 { font-size: 1.05rem; } h5 { font-size: 1.1rem; } h6 { font-size: .95rem; }
body > nav { background: var(--panel); border-bottom: 1px solid var(--line);
  padding: .9rem 2rem; height: auto !important; }
body > nav nav { display: flex; align-items: baseline; gap: 1.5rem; flex-wrap: wrap; }
.navbar-brand a { color: var(--ink); font-weight: 700; }
.breadcrumb { display: flex; flex-wrap: wrap; list-style: none; padding: 0; margin: 0;
  font-size: .85rem; color: var(--quiet); }
.breadcrumb li + li::before { content: "/"; margin: 0 .5rem; }
body > .container-fluid { max-width: 80rem; margin: 0 auto; padding: 1.5rem 2rem 3rem; }
body > .container-fluid > .row { display: flex; gap: 2rem; align-items: flex-start; }
.col-lg-2.col-md-2 { flex: 0 0 15rem; position: sticky; top: 1rem; }
.col-md-10.col-lg-10 { flex: 1 1 0; min-width: 0; }
@media (max-width: 50rem) { body > .container-fluid > .row { display: block; }
  body > .container-fluid { padding: 1rem; } .col-lg-2.col-md-2 { position: static; } }
.lead { color: var(--quiet); font-size: .9rem; }
.card { border: 1px solid var(--line); border-radius: .5rem; margin-bottom: 1rem;
  overflow: hidden; max-height: none !important; }
.card-header { background: var(--panel); padding: .5rem .8rem; font-size: .9rem; }
.card-body { padding: .5rem .8rem; font-size: .88rem; }
.card label { display: block; padding: .1rem 0; cursor: pointer; }
.card .navbar, .card .nav { max-height: none !important; padding: 0; }
.nav-pills { list-style: none; padding: 0; margin: 0; }
.nav-pills .nav-link { display: block; padding: .15rem 0; }
.nav-tabs { display: flex; gap: 1rem; list-style: none; padding: 0; }
.tab-pane { margin: 0 0 2rem; } .tab-pane::before { display: block; font-weight: 650;
  content: attr(id); margin-bottom: .4rem; }
#Validation-Results::before { content: "Validation results"; }
#Expectation-Suites::before { content: "Expectation suites"; }
.ge-section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.2rem;
  overflow-x: auto;
  margin-bottom: 1.2rem; scroll-margin-top: 1rem; }
.alert { padding: 0; } .alert h5 { margin: 0 0 .4rem; }
.show-scrollbars { overflow: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem;
  border-bottom: 1px solid var(--line); }
.ge-section th:first-child:not(:only-child) { width: 5rem; }
th { font-size: .82rem; color: var(--quiet); font-weight: 600; }
td table { width: auto; } td table th, td table td { padding: .15rem .5rem; font-size: .85rem; }
tbody tr:last-child > td { border-bottom: 0; }
.table-responsive { overflow-x: auto; }
.badge { background: var(--panel); border: 1px solid var(--line); border-radius: .3rem;
  padding: 0 .35rem; font: .85em ui-monospace, "Liberation Mono", monospace; }
.code-snippet, pre { background: var(--panel); padding: .6rem; border-radius: .3rem;
  overflow-x: auto; white-space: pre-wrap; font-size: .85rem; }
.text-success { color: var(--good); } .text-danger { color: var(--bad); }
.text-warning { color: var(--mixed); }
.fas { font-style: normal; font-weight: 700; }
.fa-check-circle::before { content: "✓"; } .fa-times::before { content: "✗"; }
.fa-exclamation-triangle::before, .fa-exclamation::before { content: "!"; }
.collapse { display: none; } .collapse:target { display: block; scroll-margin-top: 40vh; }
.cooltip .top { display: none; white-space: pre-wrap; }
[hidden], thead[hidden] { display: none; }
body:has(#option2:checked) tr:has(> td > .show-scrollbars .fa-check-circle) { display: none; }
@media print { .col-lg-2.col-md-2 { display: none; } .collapse { display: block; } }
"""
