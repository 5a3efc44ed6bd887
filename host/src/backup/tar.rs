//! One file out of an archive that streams past: PostgreSQL's list of what is in a base backup, which the next
//! incremental one is made against.

/// A block of the format (POSIX.1-1988, ustar): headers are one, contents fill up whole ones.
const BLOCK: usize = 512;

/// Where a header has its name and its size.
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;

/// A list of a million files is some 160 MB; more would be no list.
const LONGEST: u64 = 1 << 30;

/// Looks at an archive and keeps one file of it.
pub(super) struct Walker {
    wanted: &'static str,
    header: Vec<u8>,
    /// Bytes of the present file that are still to come, and of the filling behind it.
    content: u64,
    filling: u64,
    keeps: bool,
    found: Vec<u8>,
}

impl Walker {
    /// Keep the file of this name.
    pub(super) fn new(wanted: &'static str) -> Self {
        Self { wanted, header: Vec::with_capacity(BLOCK), content: 0, filling: 0, keeps: false, found: Vec::new() }
    }

    /// The next bytes of the archive.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.content > 0 {
                let (part, rest) = split(bytes, self.content);
                if self.keeps {
                    self.found.extend_from_slice(part);
                }
                self.content -= part.len() as u64;
                bytes = rest;
            } else if self.filling > 0 {
                let (part, rest) = split(bytes, self.filling);
                self.filling -= part.len() as u64;
                bytes = rest;
            } else {
                let (part, rest) = split(bytes, (BLOCK - self.header.len()) as u64);
                self.header.extend_from_slice(part);
                bytes = rest;
                if self.header.len() == BLOCK {
                    self.enter();
                }
            }
        }
    }

    /// A header is complete.
    fn enter(&mut self) {
        let name = self.header[NAME].split(|byte| *byte == 0).next().unwrap_or_default();
        self.content = number(&self.header[SIZE]);
        self.filling = self.content.next_multiple_of(BLOCK as u64) - self.content;
        self.keeps = name == self.wanted.as_bytes() && self.content <= LONGEST;
        if self.keeps {
            self.found.clear();
        }
        self.header.clear();
    }

    /// The file, if it came by.
    pub(super) fn found(self) -> Option<Vec<u8>> {
        (!self.found.is_empty() && self.content == 0).then_some(self.found)
    }
}

fn split(bytes: &[u8], most: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len()))
}

/// A size: octal digits, or from 8 GiB on a binary number behind a first byte of 0x80 (as GNU tar and PostgreSQL do).
fn number(field: &[u8]) -> u64 {
    if field[0] == 0x80 {
        return field[1..].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
    }
    let digits = field.iter().filter(|byte| (b'0'..=b'7').contains(byte));
    digits.fold(0, |number, digit| number * 8 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size: &[u8], content: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[SIZE.start..SIZE.start + size.len()].copy_from_slice(size);
        block.extend_from_slice(content);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    #[track_caller]
    fn check(archive: &[u8], want: Option<&[u8]>) {
        for step in [1, 7, 512, 513, archive.len()] {
            let mut walker = Walker::new("backup_manifest");
            archive.chunks(step).for_each(|piece| walker.feed(piece));
            assert_eq!(walker.found().as_deref(), want, "{step} bytes at once");
        }
    }

    #[test]
    fn the_file_is_found_however_the_archive_comes() {
        let other = file("base/1/1249", b"00000001000 ", &[1; 512]);
        let decoy = file("x", b"00000001003 ", &file("backup_manifest", b"00000000003 ", b"no!")[..515]);
        let wanted = file("backup_manifest", b"00000000004 ", b"list");
        let end = vec![0; 2 * BLOCK];
        check(&[&other[..], &decoy, &wanted, &end].concat(), Some(b"list"));
        check(&[&wanted[..], &other].concat(), Some(b"list"));
        check(&[&other[..], &decoy, &end].concat(), None);
        check(&wanted[..BLOCK + 2], None);
        let large = file("backup_manifest", &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4], b"list");
        check(&large, Some(b"list"));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]), 3 << 32);
    }
}
