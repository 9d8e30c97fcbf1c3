//! What a body is, by its first bytes, where that is plain.

/// First bytes (`.` stands for any), and the format's name.
static FORMATS: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF87a", "GIF image"),
    (b"GIF89a", "GIF image"),
    (b"RIFF....WEBP", "WebP image"),
    (b"RIFF....WAVE", "WAVE audio"),
    (b"....ftypavif", "AVIF image"),
    (b"....ftyp", "MP4"),
    (b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
    (b"\0\0\x01\0", "icon"),
    (b"wOF2", "WOFF2 font"),
    (b"wOFF", "WOFF font"),
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\0asm", "WebAssembly"),
    (b"\x7fELF", "ELF"),
    (b"SQLite format 3\0", "SQLite database"),
];

/// The format's name.
pub(super) fn name(data: &[u8]) -> Option<&'static str> {
    let fits = |magic: &[u8]| {
        data.get(..magic.len())
            .is_some_and(|d| d.iter().zip(magic).all(|(a, b)| a == b || *b == b'.'))
    };
    FORMATS.iter().find(|(magic, _)| fits(magic)).map(|(_, name)| *name)
}
