//! The ledger as one self-contained page.

use super::book::Book;
use super::entry::{Entry, Kind, Status};
use super::status::rows;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--ok:#2a9d58;--wait:#d9a520;--open:#8886}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:78rem;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
th{font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.bar{display:flex;height:.8rem;min-width:10rem;border-radius:.2rem;overflow:hidden;background:var(--open)}
.bar i{display:block}.v{background:var(--ok)}.d{background:var(--wait)}
tr.all td{font-weight:600}
.verified td:first-child{border-left:.3rem solid var(--ok)}
.deferred td:first-child{border-left:.3rem solid var(--wait)}
.pending td:first-child{border-left:.3rem solid var(--open)}
nav label{margin-right:1.2rem}
body:has(#v:not(:checked)) tr.verified,body:has(#d:not(:checked)) tr.deferred,
body:has(#p:not(:checked)) tr.pending{display:none}
";

/// The page.
pub(crate) fn render(book: &Book) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>jetcore: ledger</title>\n<style>{STYLE}</style>\n<h1>Features and tests</h1>\n"
    );
    for batch in &book.batches {
        out += &format!(
            "<p>Batch {}: {}, after <code>{}</code> of the reference.</p>\n",
            batch.number,
            escaped(&batch.name),
            escaped(&batch.source)
        );
    }
    out += "<table><tr><th>Batch<th>What<th>Group or wave<th>Verified<th>Deferred<th>Pending\
            <th>Of<th></tr>\n";
    for row in rows(book) {
        let [verified, deferred, pending] = row.counts;
        let all = verified + deferred + pending;
        let percent = |part: usize| (part * 100).checked_div(all).unwrap_or(0);
        let class = if row.name == "all" { " class=\"all\"" } else { "" };
        out += &format!(
            "<tr{class}><td>{}<td>{}<td>{}<td class=\"n\">{verified}<td class=\"n\">{deferred}\
             <td class=\"n\">{pending}<td class=\"n\">{all}<td><span class=\"bar\">\
             <i class=\"v\" style=\"width:{}%\"></i><i class=\"d\" style=\"width:{}%\"></i>\
             </span></tr>\n",
            row.batch,
            row.kind,
            escaped(&row.name),
            percent(verified),
            percent(deferred)
        );
    }
    out += "</table>\n<nav>Show: ";
    for (id, name) in [("v", "verified"), ("d", "deferred"), ("p", "pending")] {
        out += &format!("<label><input type=\"checkbox\" id=\"{id}\" checked> {name}</label>");
    }
    out += "</nav>\n";
    for (title, features) in [("Features", true), ("Tests", false)] {
        out += &format!(
            "<h2>{title}</h2>\n<table><tr><th>Id<th>Reference<th>Status<th>Here<th>Evidence, \
             or what it waits for<th>Changed</tr>\n"
        );
        for (_, _, entry) in book.entries().filter(|(_, _, it)| it.is_feature() == features) {
            out += &row_of(entry);
        }
        out += "</table>\n";
    }
    out
}

fn row_of(entry: &Entry) -> String {
    let place = match &entry.kind {
        Kind::Feature { .. } => entry.owner().to_owned(),
        Kind::Test { file, .. } => file.clone(),
    };
    let evidence = match entry.status {
        Status::Deferred => escaped(&entry.blocker),
        Status::Pending | Status::Verified => {
            let tests = entry.evidence.iter().map(|test| format!("<code>{}</code>", escaped(test)));
            tests.collect::<Vec<_>>().join("<br>")
        }
    };
    let status = entry.status.text();
    format!(
        "<tr class=\"{status}\"><td>{}<td><code>{}</code><br>{} {}<td>{status}\
         <td><code>{}</code><td>{evidence}<td>{}</tr>\n",
        escaped(&entry.id),
        escaped(&entry.symbol),
        escaped(&place),
        escaped(&entry.lines),
        escaped(&entry.path),
        escaped(&entry.changed)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
