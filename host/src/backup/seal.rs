//! Encryption in the format of age (age-encryption.org/v1), which the `age` tool reads as well. A backup is written for
//! public keys; the host that makes it cannot read it again.

use super::Error;
use crate::disk;
use age::stream::StreamWriter;
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use secrecy::{ExposeSecret, SecretString};
use std::io::{self, Read, Write};
use std::path::Path;

/// What the names of encrypted objects end with.
pub(super) const ENDING: &str = ".age";

/// Whom backups are written for; nobody: they lie open.
#[derive(Clone, Debug, Default)]
pub(super) struct Seal(Vec<Recipient>);

impl Seal {
    /// Read public keys.
    ///
    /// # Errors
    /// One that is none.
    pub(super) fn of(keys: &[String]) -> Result<Self, Error> {
        let read = |key: &String| {
            // The text may be a private key in the wrong place: it is not repeated.
            let wrong =
                |_| "backup.recipients: one of them is no public key of age; those begin with `age1`".to_owned();
            key.trim().parse::<Recipient>().map_err(wrong).map_err(Error::Setting)
        };
        Ok(Self(keys.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Whether there is anybody.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// The public keys.
    pub(super) fn keys(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// What an object of this name is called when it is stored.
    pub(super) fn name(&self, plain: &str) -> String {
        format!("{plain}{}", if self.is_open() { "" } else { ENDING })
    }

    /// Encrypt what is written. [`Sealed::finish`] must be called.
    ///
    /// # Errors
    /// Where the header cannot be written.
    pub(super) fn wrap<W: Write>(&self, out: W) -> io::Result<Sealed<W>> {
        if self.is_open() {
            return Ok(Sealed::Open(out));
        }
        let recipients = self.0.iter().map(|key| key as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        Ok(Sealed::Age(Box::new(encryptor.wrap_output(out)?)))
    }
}

/// A writer that encrypts, or one that does not.
pub(super) enum Sealed<W: Write> {
    /// As it is.
    Open(W),
    /// For the recipients only.
    Age(Box<StreamWriter<W>>),
}

impl<W: Write> Sealed<W> {
    /// Write the end, without which nobody can read the rest.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Open(out) => Ok(out),
            Self::Age(stream) => stream.finish(),
        }
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(out) => out.write(bytes),
            Self::Age(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(out) => out.flush(),
            Self::Age(stream) => stream.flush(),
        }
    }
}

/// Private keys.
#[derive(Clone, Default)]
pub(super) struct Opener(Vec<Identity>);

impl Opener {
    /// Read an identity file of age: a key a line, `#` begins a comment.
    ///
    /// # Errors
    /// A line that is no key, by its number.
    pub(super) fn of(text: &SecretString) -> Result<Self, Error> {
        let mut keys = Vec::new();
        for (at, line) in text.expose_secret().lines().map(str::trim).enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                let key = line.parse::<Identity>();
                let said = format!("line {} of the identity file is no private key of age (AGE-SECRET-KEY-1…)", at + 1);
                keys.push(key.map_err(|_| Error::Setting(said))?);
            }
        }
        Ok(Self(keys))
    }

    /// Read what was encrypted. `object` and `recipients` are for the error.
    ///
    /// # Errors
    /// [`Error::WrongKey`], [`Error::NoKey`]; [`Error::Io`] for what is no age file.
    pub(super) fn open<'a>(
        &self,
        from: impl Read + Send + 'a,
        object: &str,
        recipients: &[String],
    ) -> Result<Box<dyn Read + Send + 'a>, Error> {
        let (object, recipients) = (object.to_owned(), recipients.join(", "));
        if self.0.is_empty() {
            return Err(Error::NoKey { object, recipients });
        }
        let keys = self.0.iter().map(|key| key as &dyn age::Identity);
        match Decryptor::new(from).and_then(|decryptor| decryptor.decrypt(keys)) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(DecryptError::NoMatchingKeys) => Err(Error::WrongKey { object, recipients }),
            Err(error) => Err(Error::Io { what: format!("decrypt {object}"), source: io::Error::other(error) }),
        }
    }
}

/// Make a key: the private one into a new file that nobody else can read, the public one as the answer.
///
/// # Errors
/// Where there is a file already, or none can be written.
pub fn make_key(file: &Path) -> Result<String, Error> {
    if file.exists() {
        return Err(Error::Occupied(file.to_owned()));
    }
    let key = Identity::generate();
    let public = key.to_public().to_string();
    let text = format!("# public key: {public}\n{}\n", key.to_string().expose_secret());
    disk::write(file, text.as_bytes(), 0o600).map_err(Error::io(format!("write {}", file.display())))?;
    Ok(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(bytes: &[u8], keys: &[&Identity]) -> Vec<u8> {
        let keys: Vec<String> = keys.iter().map(|key| key.to_public().to_string()).collect();
        let mut sealed = Seal::of(&keys).unwrap().wrap(Vec::new()).unwrap();
        sealed.write_all(bytes).unwrap();
        sealed.finish().unwrap()
    }

    fn opener(keys: &[&Identity]) -> Opener {
        let text: String = keys.iter().map(|key| format!("# one\n{}\n", key.to_string().expose_secret())).collect();
        Opener::of(&SecretString::from(text)).unwrap()
    }

    fn read(sealed: &[u8], opener: &Opener) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut from = opener.open(sealed, "x/base", &["age1abc".to_owned()])?;
        from.read_to_end(&mut bytes).map_err(Error::io("read"))?;
        Ok(bytes)
    }

    #[test]
    fn any_of_the_keys_opens_it_and_no_other() {
        let [one, two, other] = [(); 3].map(|()| Identity::generate());
        let bytes = vec![7; 200_000];
        let sealed = seal(&bytes, &[&one, &two]);
        assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
        for keys in [vec![&one], vec![&two], vec![&other, &two]] {
            assert_eq!(read(&sealed, &opener(&keys)).unwrap(), bytes);
        }
        assert!(matches!(read(&sealed, &opener(&[&other])), Err(Error::WrongKey { object, recipients })
            if object == "x/base" && recipients == "age1abc"));
        assert!(matches!(read(&sealed, &Opener::default()), Err(Error::NoKey { .. })));
    }

    #[test]
    fn what_was_cut_or_changed_is_not_read() {
        let key = Identity::generate();
        let bytes = vec![7; 200_000];
        let sealed = seal(&bytes, &[&key]);
        for at in [30, sealed.len() / 2, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(read(&changed, &opener(&[&key])).is_err(), "{at}");
            assert!(read(&sealed[..at], &opener(&[&key])).is_err(), "{at}");
        }
    }

    #[test]
    fn keys_that_are_none_are_not_repeated() {
        let private = Identity::generate().to_string().expose_secret().to_owned();
        let said = Seal::of(std::slice::from_ref(&private)).unwrap_err().to_string();
        assert!(said.contains("backup.recipients") && !said.contains(&private), "{said}");
        let wrong = SecretString::from("# a comment\nage1swordfish");
        let said = Opener::of(&wrong).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains("line 2") && !said.contains("swordfish"), "{said}");
    }

    #[test]
    fn a_key_is_made_once_and_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup.key");
        let public = make_key(&file).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let opener = Opener::of(&SecretString::from(std::fs::read_to_string(&file).unwrap())).unwrap();
        let mut sealed = Seal::of(&[public]).unwrap().wrap(Vec::new()).unwrap();
        sealed.write_all(b"x").unwrap();
        assert_eq!(read(&sealed.finish().unwrap(), &opener).unwrap(), b"x");
        assert!(matches!(make_key(&file), Err(Error::Occupied(_))));
    }
}
