//! A bare SQLite: the ceiling of a durable journal in it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio_rusqlite::rusqlite::{Connection, params};

use crate::event::{EVENT_BYTES, Template};

/// As Remora keeps events, without what only Remora needs.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE events (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
";
const AGENTS: u32 = 20;

/// Appends batches for so long; prints how many events a second.
pub(super) fn run(folder: &Path, batch: u32, seconds: f64) -> Result<()> {
    let mut connection = Connection::open(folder.join("events.db"))?;
    connection.execute_batch(SCHEMA)?;
    let mut template = Template::new(AGENTS);
    let (mut number, mut spent) = (0, Duration::ZERO);
    while spent.as_secs_f64() < seconds {
        let mut bodies = Vec::with_capacity(batch as usize);
        for _ in 0..batch {
            number += 1;
            bodies.push(template.text(number));
        }
        // What is appended is not made by whoever appends it.
        let began = Instant::now();
        append(&mut connection, number - batch, &bodies)?;
        spent += began.elapsed();
    }
    println!("{}", f64::from(number) / spent.as_secs_f64());
    Ok(())
}

fn append(connection: &mut Connection, last: u32, bodies: &[String]) -> Result<()> {
    debug_assert!(bodies.iter().all(|body| body.len() == EVENT_BYTES));
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare_cached("INSERT INTO events (seq, id, body) VALUES (?1, ?2, ?3)")?;
    for (body, seq) in bodies.iter().zip(last + 1..) {
        insert.execute(params![seq, Template::id_of(body), body])?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}
