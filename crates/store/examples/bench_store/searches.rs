//! Searches and purges by subject on a stream with many subjects.

use std::path::Path;

use store::{Durability, Filter, Purge, StreamStore};

use crate::measure::{Outcome, Watch, show, thousands};
use crate::options::Options;
use crate::setup;

const NAME: &str = "SEARCHES";

pub(crate) fn run(options: &Options, base: &Path) -> Outcome<()> {
    let messages = options.messages.max(options.subjects);
    println!(
        "searches in {} messages on {} subjects    first, then each of 8 more (CPU)",
        thousands(messages as f64),
        thousands(options.subjects as f64)
    );
    let mut store = setup::create(base, &setup::config(NAME))?;
    setup::fill(&mut store, 0, messages, options.subjects, Durability::Written)?;
    println!(" as filled");
    searches(&mut store, options)?;
    store.stop()?;
    drop(store);
    println!(" reopened");
    let mut store = setup::open(base, NAME)?;
    searches(&mut *store, options)?;
    purges(&mut *store)?;
    Ok(store.delete()?)
}

fn searches(store: &mut dyn StreamStore, options: &Options) -> Outcome<()> {
    let totals = store.totals();
    let (first, middle, last) =
        (totals.first_seq, totals.first_seq + totals.msgs / 2, totals.last_seq);
    let region = |n: u64| Filter::any_of([format!("orders.region{}.*", n % setup::REGIONS)]);
    let inner = |n: u64| Filter::any_of([format!("orders.*.{}", (n + 1) * 77)]);
    let subject = |n: u64| {
        let mut name = String::new();
        setup::subject(setup::mix(n) % options.subjects, &mut name);
        name
    };
    time("count of a literal subject", |n| {
        Ok(store.count_from(first, &Filter::any_of([subject(n)])))
    })?;
    time("count of a region (1/50) from the start", |n| Ok(store.count_from(first, &region(n))))?;
    time("count of a region from the middle", |n| Ok(store.count_from(middle, &region(n))))?;
    time("count of everything from the middle", |_| Ok(store.count_from(middle, &Filter::all())))?;
    time("count of `orders.>` from the middle", |_| {
        Ok(store.count_from(middle, &Filter::any_of(["orders.>"])))
    })?;
    time("count of `orders.*.N` from the middle", |n| Ok(store.count_from(middle, &inner(n))))?;
    time("next of a region from the middle", |n| {
        Ok(store.next_match(&region(n), middle)?.map_or(0, |msg| msg.seq))
    })?;
    time("next of `orders.*.N` from the start", |n| {
        Ok(store.next_match(&inner(n), first)?.map_or(0, |msg| msg.seq))
    })?;
    time("next of a literal subject from the middle", |n| {
        let filter = Filter::any_of([subject(n)]);
        Ok(store.next_match(&filter, middle)?.map_or(0, |msg| msg.seq))
    })?;
    time("next of what nobody sent", |_| {
        Ok(u64::from(store.next_match(&Filter::any_of(["no.*.such"]), first)?.is_some()))
    })?;
    time("last of a literal subject", |n| Ok(store.last_seq_of(subject(n).as_bytes())))?;
    time("last of a region", |n| {
        Ok(store.last_match(&region(n), u64::MAX)?.map_or(0, |msg| msg.seq))
    })?;
    time("last per subject of a region", |n| {
        Ok(store.last_per_subject(&region(n), last).len() as u64)
    })?;
    time("totals per subject of a region", |n| {
        let mut count = 0;
        store.subject_totals(&region(n), &mut |_, total| count += total);
        Ok(count)
    })?;
    time("sequence at a time", |n| {
        Ok(store.seq_at_time(setup::time_of(setup::mix(n) % totals.msgs)))
    })
}

fn purges(store: &mut dyn StreamStore) -> Outcome<()> {
    let mut purge = |what: &str, pattern: String, keep: u64| -> Outcome<()> {
        let watch = Watch::start();
        let purge = Purge { filter: Filter::any_of([pattern]), below_seq: 0, keep };
        let purged = store.purge(&purge, &mut |_| {})?;
        store.flush(Durability::Synced)?;
        let spent = watch.stop();
        println!("  {what:42} {:>9}, {} purged", show(spent.wall), thousands(purged as f64));
        Ok(())
    };
    let mut name = String::new();
    setup::subject(setup::mix(7), &mut name);
    purge("purge of a literal subject", name, 0)?;
    purge("purge of a region", "orders.region7.*".to_owned(), 0)?;
    purge("purge of a region, keeping 100", "orders.region8.*".to_owned(), 100)?;
    purge("purge of `orders.*.N`", "orders.*.79".to_owned(), 0)?;
    purge("purge of what nobody sent", "no.*.such".to_owned(), 0)
}

fn time(what: &str, mut call: impl FnMut(u64) -> Outcome<u64>) -> Outcome<()> {
    const MORE: u32 = 8;
    let watch = Watch::start();
    let result = call(0)?;
    let first = watch.stop();
    let watch = Watch::start();
    for n in 1..=MORE {
        call(u64::from(n))?;
    }
    let more = watch.stop();
    println!(
        "  {what:42} {:>9} {:>9} ({}), result {}",
        show(first.wall),
        show(more.wall / MORE),
        show(more.cpu / MORE),
        thousands(result as f64)
    );
    Ok(())
}
