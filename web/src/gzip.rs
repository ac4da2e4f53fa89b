//! Live responses in gzip, flushed item by item, and each item compressed once for all who are sent the same.
//!
//! An encoder for each browser would take 300 KiB of memory, and do the same work again for each. Here one encoder begins
//! anew with every item, the item before it as its dictionary: browsers that are sent the same frames, one after the other,
//! share what it has made of them. That makes the frames of a dashboard 13 to 23 times smaller, where an encoder of its
//! own would make them 18 to 28 times smaller and one without a dictionary 2 to 9 times. `zstd` and `br` gain little on
//! that, and browsers take them only from servers that encrypt; `gzip` they take from all.
//!
//! Whoever can place text beside a secret, and sees how many bytes both take together, can guess the secret (BREACH). No
//! live response holds one: tokens and signed links come in requests, and go into no page and no stream.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use flate2::{Compress, CompressError, Compression, Crc, FlushCompress};
use futures_util::{Stream, StreamExt, stream};
use warp::http::{HeaderMap, header};

use crate::live_response::Source;

/// What a stream in gzip begins with: deflate, no name, no time, an unknown system.
const HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The last block, which is empty.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// Bytes of the largest item that is kept as a dictionary. More than a frame of changes has; a whole page, which a new
/// browser gets at first, would stay in memory as long as nothing follows it.
const DICTIONARY_BYTES: usize = 16 << 10;
/// Items kept with what was made of them. Readers that keep up are an item or two apart.
const KEPT: usize = 8;
/// Bytes of the largest item that is kept.
const KEPT_BYTES: usize = 256 << 10;

/// The encoder that all live responses share, and what it has made last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gzip(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    /// Made for the first reader.
    encoder: Option<Compress>,
    made: VecDeque<Made>,
}

/// An item behind another, and what both became. Holding them keeps others from being taken for them.
#[derive(Debug)]
struct Made {
    before: Bytes,
    item: Bytes,
    packed: Bytes,
}

/// A live response on its way.
struct Reader {
    gzip: Gzip,
    /// `None` once it has ended.
    source: Option<Source>,
    before: Bytes,
    sum: Crc,
}

impl Gzip {
    /// Packs a source: each item as soon as it comes, so that nothing waits in an encoder.
    pub(crate) fn pack(&self, source: Source) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let reader = Reader { gzip: self.clone(), source: Some(source), before: Bytes::new(), sum: Crc::new() };
        let packed = stream::unfold(reader, async |mut reader| {
            let next = reader.source.as_mut()?.next().await;
            let item = match next {
                Some(item) => item.and_then(|item| reader.item(item)),
                None => Ok(reader.end()),
            };
            Some((item, reader))
        });
        stream::iter([Ok(Bytes::from_static(HEAD))]).chain(packed)
    }

    /// An item behind the one before it, so that it can be unpacked as soon as it has come.
    fn item(&self, before: &Bytes, item: &Bytes) -> Result<Bytes, CompressError> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = shared.made.iter().find(|made| is_same(&made.item, item) && is_same(&made.before, before)) {
            return Ok(made.packed.clone());
        }
        let encoder = shared.encoder.get_or_insert_with(|| Compress::new(Compression::default(), false));
        encoder.reset();
        deflate(encoder, before)?;
        let packed = Bytes::from(deflate(encoder, item)?);
        if item.len() <= KEPT_BYTES {
            shared.made.truncate(KEPT - 1);
            shared.made.push_front(Made { before: before.clone(), item: item.clone(), packed: packed.clone() });
        }
        Ok(packed)
    }
}

impl Reader {
    fn item(&mut self, item: Bytes) -> io::Result<Bytes> {
        let packed = self.gzip.item(&self.before, &item).map_err(io::Error::other)?;
        self.sum.update(&item);
        self.before = if item.len() <= DICTIONARY_BYTES { item } else { Bytes::new() };
        Ok(packed)
    }

    fn end(&mut self) -> Bytes {
        self.source = None;
        let mut end = LAST_BLOCK.to_vec();
        end.extend_from_slice(&self.sum.sum().to_le_bytes());
        end.extend_from_slice(&self.sum.amount().to_le_bytes());
        end.into()
    }
}

/// True for two handles on the same bytes, whatever these are.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.len() == other.len() && (one.is_empty() || one.as_ptr() == other.as_ptr())
}

/// What an encoder makes of these bytes behind all that it has seen, up to a whole byte.
fn deflate(encoder: &mut Compress, bytes: &[u8]) -> Result<Vec<u8>, CompressError> {
    /// Room for what flushing adds, at least.
    const ROOM: usize = 64;
    let mut out = Vec::new();
    if bytes.is_empty() {
        return Ok(out);
    }
    let before = encoder.total_in();
    loop {
        out.reserve(bytes.len() / 4 + ROOM);
        let taken = usize::try_from(encoder.total_in() - before).unwrap_or(bytes.len());
        encoder.compress_vec(&bytes[taken..], &mut out, FlushCompress::Sync)?;
        // A flush that had room left is complete.
        if out.len() < out.capacity() {
            return Ok(out);
        }
    }
}

/// Whether a client takes gzip.
pub(crate) fn is_accepted(headers: &HeaderMap) -> bool {
    let quality = |coding: &str| {
        let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).find_map(|one| {
            let (name, quality) = one.split_once(';').unwrap_or((one, "q=1"));
            let quality = quality.trim().strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(coding).then(|| quality.unwrap_or(0.0))
        })
    };
    quality("gzip").or_else(|| quality("*")).is_some_and(|quality| quality > 0.0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::{Decompress, FlushDecompress, read::GzDecoder};
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    /// Everything that a source becomes, item by item.
    fn packed(gzip: &Gzip, items: &[Bytes]) -> Vec<Bytes> {
        let source = Box::pin(stream::iter(items.to_vec()).map(Ok));
        let packed = gzip.pack(source).map(|item| item.expect("no source breaks off here"));
        packed.collect::<Vec<_>>().now_or_never().expect("nothing is waited for")
    }

    /// What each piece adds to what can be unpacked.
    fn unpacked(pieces: &[Bytes]) -> Vec<Vec<u8>> {
        let mut decoder = Decompress::new(false);
        let unpack = |piece: &Bytes| {
            let mut out = Vec::with_capacity(1 << 20);
            decoder.decompress_vec(piece, &mut out, FlushDecompress::Sync).expect("well-formed");
            out
        };
        pieces[1..pieces.len() - 1].iter().map(unpack).collect()
    }

    fn items() -> impl Strategy<Value = Vec<Bytes>> {
        let words = proptest::collection::vec("[a-c]{0,40}", 0..400).prop_map(|words| words.concat().into_bytes());
        let noise = proptest::collection::vec(any::<u8>(), 0..40_000);
        proptest::collection::vec(prop_oneof![words, noise].prop_map(Bytes::from), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn each_item_is_there_as_soon_as_it_came_whoever_reads_it(items in items(), other in any::<prop::sample::Index>()) {
            let gzip = Gzip::default();
            let from = if items.is_empty() { 0 } else { other.index(items.len()) };
            for items in [&items[..], &items[from..], &items[..]] {
                let pieces = packed(&gzip, items);
                prop_assert_eq!(unpacked(&pieces), items.iter().map(|item| item.to_vec()).collect::<Vec<_>>());
                let mut whole = Vec::new();
                GzDecoder::new(&pieces.concat()[..]).read_to_end(&mut whole).expect("well-formed to its end");
                prop_assert_eq!(whole, items.concat());
            }
        }
    }

    #[test]
    fn what_is_sent_to_many_is_made_once_and_smaller_for_what_went_before() {
        let row =
            |n: u32| Bytes::from(format!("data: elements <li id=\"e-{n}\"><b class=\"tool\">tool:called</b></li>"));
        let (gzip, rows) = (Gzip::default(), [row(1), row(2), row(3)]);
        let (one, other) = (packed(&gzip, &rows), packed(&gzip, &rows));
        assert!(one[1..4].iter().zip(&other[1..4]).all(|(one, other)| is_same(one, other)));
        assert!(one[2].len() < one[1].len() / 2, "{one:?}");
        assert!(gzip.0.lock().expect("sound").made.len() <= KEPT);
    }

    #[test]
    fn a_source_that_breaks_off_leaves_the_stream_without_an_end() {
        let source = Box::pin(stream::iter([Ok(Bytes::from("a")), Err(io::ErrorKind::Interrupted.into())]));
        let pieces = Gzip::default().pack(source).take(3).collect::<Vec<_>>();
        let pieces = pieces.now_or_never().expect("nothing is waited for");
        assert!(matches!(pieces[..], [Ok(_), Ok(_), Err(_)]), "{pieces:?}");
    }

    #[test]
    fn clients_say_what_they_take() {
        for (said, taken) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("*", true),
            ("*;q=0, gzip", true),
            ("identity", false),
            ("gzip;q=0, *", false),
            ("gzip;q=none", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, said.parse().expect("a value"))]);
            assert_eq!(is_accepted(&headers), taken, "{said}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }
}
