//! Gzip: pages and files as a whole, and a page's stream item by item, each item compressed once for all who are sent the
//! same.
//!
//! An encoder for each browser would take 300 KiB of memory, and do the same work again for each. Here one encoder begins
//! anew with every item, the item before it as its dictionary: browsers that are sent the same frames, one after the other,
//! share what it has made of them, and one that joins or has lost its queue is among them again with its second item. That
//! makes a dashboard's frames 13 times smaller, where an encoder without a dictionary makes them 3 times smaller. `zstd` and
//! `br` gain little on that, and browsers take them only from servers that encrypt; `gzip` they take from all.
//!
//! Whoever can place text beside a secret, and sees how many bytes both take together, can guess the secret (BREACH). No
//! page and no stream holds one: tokens and signed links come in requests, and go into neither.

use std::{
    collections::VecDeque,
    future::ready,
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, write::GzEncoder};
use futures_util::{Stream, StreamExt, stream};
use warp::http::{HeaderMap, HeaderValue, header};

/// What a stream in gzip begins with: deflate, no name, no time, an unknown system.
const HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The last block, which is empty.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// What a flush ends with: the length of an empty block.
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];
/// What is made while somebody waits is made quickly: the default effort takes thrice as long for a whole page, and saves a
/// seventh of what is left of it.
pub(crate) const EFFORT: Compression = Compression::fast();
/// Bytes of the largest item that serves as a dictionary: what is alike in two items lies as far apart as the first of them
/// is long, and gzip looks back 32 KiB.
const DICTIONARY_BYTES: usize = 16 << 10;
/// Items kept with what was made of them: readers of a page that keep up are an item or two apart, and some dozen pages
/// may be looked at at once.
const KEPT: usize = 64;
/// Bytes of those items. The newest is kept whatever its size: many who come at once are sent the same page.
const KEPT_BYTES: usize = 256 << 10;

/// The encoder that all streams share, and what it has made last. Cheap to clone.
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

/// How far a stream has come.
struct Reader {
    gzip: Gzip,
    before: Bytes,
    sum: Crc,
}

impl Gzip {
    /// Packs a stream: each item as soon as it comes, so that nothing waits in an encoder.
    pub(crate) fn pack<S>(&self, source: S) -> impl Stream<Item = io::Result<Bytes>> + use<S>
    where
        S: Stream<Item = io::Result<Bytes>>,
    {
        let mut reader = Reader { gzip: self.clone(), before: Bytes::new(), sum: Crc::new() };
        let packed = source.map(Some).chain(stream::once(ready(None))).map(move |next| match next {
            Some(item) => reader.item(item?),
            None => Ok(reader.end()),
        });
        stream::once(ready(Ok(Bytes::from_static(HEAD)))).chain(packed)
    }

    /// An item behind the one before it, so that it can be unpacked as soon as it has come.
    fn item(&self, before: &Bytes, item: &Bytes) -> io::Result<Bytes> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = shared.made.iter().find(|made| is_same(&made.item, item) && is_same(&made.before, before)) {
            return Ok(made.packed.clone());
        }
        let encoder = shared.encoder.get_or_insert_with(|| Compress::new(EFFORT, false));
        encoder.reset();
        deflate(encoder, before)?;
        let packed = Bytes::from(deflate(encoder, item)?.into_boxed_slice());
        shared.keep(Made { before: before.clone(), item: item.clone(), packed: packed.clone() });
        Ok(packed)
    }
}

impl Shared {
    fn keep(&mut self, made: Made) {
        self.made.push_front(made);
        let mut bytes = 0;
        let fits = |made: &&Made| {
            bytes += made.item.len();
            bytes <= KEPT_BYTES
        };
        let fitting = self.made.iter().take(KEPT).take_while(fits).count();
        self.made.truncate(fitting.max(1));
    }
}

impl Reader {
    fn item(&mut self, item: Bytes) -> io::Result<Bytes> {
        let packed = self.gzip.item(&self.before, &item)?;
        self.sum.update(&item);
        self.before = if item.len() <= DICTIONARY_BYTES { item } else { Bytes::new() };
        Ok(packed)
    }

    fn end(&self) -> Bytes {
        let (sum, amount) = (self.sum.sum().to_le_bytes(), self.sum.amount().to_le_bytes());
        [&LAST_BLOCK[..], &sum, &amount].concat().into()
    }
}

/// True for two handles on the same bytes, whatever these are.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.len() == other.len() && (one.is_empty() || one.as_ptr() == other.as_ptr())
}

/// What an encoder makes of these bytes behind all that it has seen, up to a whole byte.
fn deflate(encoder: &mut Compress, bytes: &[u8]) -> io::Result<Vec<u8>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let before = encoder.total_in();
    let mut out = Vec::with_capacity(largest(bytes.len()));
    encoder.compress_vec(bytes, &mut out, FlushCompress::Sync)?;
    if encoder.total_in() - before == bytes.len() as u64 && out.ends_with(&FLUSHED) {
        Ok(out)
    } else {
        Err(io::Error::other("an item was not compressed to its end"))
    }
}

/// Bytes that so many become at most: what cannot be made smaller goes out in blocks of 31 KiB with 5 bytes before each. The
/// encoder leaves out a flush for which there is no room, and does not make up for it.
fn largest(bytes: usize) -> usize {
    bytes + bytes / 1000 + 64
}

/// A page or a file in gzip.
pub(crate) fn whole(bytes: &[u8], effort: Compression) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), effort);
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Says in a response's head that its body may come in gzip, and whether it does.
pub(crate) fn declare(headers: &mut HeaderMap, is_packed: bool) {
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
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
        let packed =
            gzip.pack(stream::iter(items.to_vec()).map(Ok)).map(|item| item.expect("no source breaks off here"));
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
                // Compared by hand: what differs would fill a screen.
                prop_assert!(unpacked(&pieces) == items);
                let mut whole = Vec::new();
                GzDecoder::new(&pieces.concat()[..]).read_to_end(&mut whole).expect("well-formed to its end");
                prop_assert!(whole == items.concat());
            }
        }
    }

    /// What no encoder makes smaller.
    fn noise(bytes: usize) -> Bytes {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..bytes).map(|_| byte()).collect()
    }

    #[test]
    fn what_cannot_be_made_smaller_comes_whole_too() {
        for bytes in 31_700..=31_900 {
            let items = [noise(bytes), Bytes::from("behind it")];
            assert_eq!(unpacked(&packed(&Gzip::default(), &items)), items, "{bytes} bytes");
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
        let source = stream::iter([Ok(Bytes::from("a")), Err(io::ErrorKind::Interrupted.into())]);
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
