//! What is neither an event nor a value: the pictures that hold what deleted events told, and the key of the links.

use remora_actors::{
    model::Seq,
    ports::{JournalError, Snapshot},
    retention::PICTURES,
};

use super::{MigrateError, side::Side};
use crate::cli::terminal;

/// The pictures of a side with which a daemon begins that cannot fold the events up to `deleted` any more.
async fn pictures(side: &Side, deleted: Seq) -> Result<Vec<(&'static str, Snapshot)>, JournalError> {
    let mut pictures = Vec::new();
    for name in PICTURES.into_iter().filter(|_| deleted > 0) {
        let picture = side.journal().load_snapshot(name).await?;
        pictures.extend(picture.filter(|picture| picture.seq >= deleted).map(|picture| (name, picture)));
    }
    Ok(pictures)
}

/// Moves them, and compares them at both ends.
pub(super) async fn copy(from: &Side, to: &Side) -> Result<(), MigrateError> {
    let deleted = from.journal().first_seq().await?.saturating_sub(1);
    let wanted = pictures(from, deleted).await?;
    if deleted > 0 && wanted.len() < PICTURES.len() {
        terminal::note(&format!(
            "events up to number {deleted} were deleted, and what they told is in no picture: it is not moved, such as \
             finished agents, and where the workspaces of older ones are"
        ));
    }
    to.take_over(deleted, &wanted).await?;
    if pictures(to, deleted).await? != wanted {
        return Err(MigrateError::OtherPictures { side: to.name().to_owned() });
    }
    if let Some(key) = from.link_key().await?
        && to.keep_link_key(key).await? != key
    {
        let (from, to) = (from.name(), to.name());
        terminal::note(&format!(
            "{to} signs links with a key of its own: those that {from} gave out do not work there"
        ));
    }
    Ok(())
}
