//! The second level: answers in a Redis that hosts share.
//!
//! Hosts hear of changes at different moments, and no two clocks agree. So each table has a mark in Redis, a text of
//! chance, and whoever hears of a change writes another one. An answer carries the marks from before its statement began,
//! and is one while they are the same. A host whose marks could not be written neither reads nor writes answers of those
//! tables until they are; one that begins to listen writes a mark that concerns everything. A mark that is gone (Redis
//! was emptied, or made room) is never the same as one that was.
//!
//! No call waits for any of this longer than [`Commons`] has patience, and none fails for it.

use super::changes::Mark;
use super::kept::Kept;
use super::key::Key;
use super::seal::Seal;
use crate::commons::{BadAddress, Commons};
use crate::keys::Keys;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// How far the clock of another host may be ahead. Beyond that an answer is not believed to be from now.
const AHEAD: Duration = Duration::from_secs(1);

/// Answers on their way to Redis. More are not sent: one that does not keep up must not gather them in memory here.
const SENDING: usize = 16;

/// Seconds a mark is kept after it was written. A mark that is gone is written again when somebody asks for it.
const MARK_LIFE: u64 = 86_400;

/// A text of chance.
type Token = [u8; 16];

/// The marks of an answer: of everything, and of each of its tables in order.
pub(super) type Marks = Vec<Token>;

/// The way to Redis.
pub(super) struct Shared {
    commons: Commons,
    seal: Seal,
    life: Duration,
    sending: Arc<Semaphore>,
}

/// What Redis has of a question.
#[derive(Default)]
pub(super) struct Found {
    /// An answer, and how old it is.
    pub(super) answer: Option<(Kept, Duration)>,
    /// What an answer of now is to carry. None where it could not be found out.
    pub(super) marks: Option<Marks>,
    /// Which marks are to be written again.
    pub(super) gone: Vec<Mark>,
}

fn marks(tables: &[u32]) -> impl Iterator<Item = Mark> {
    std::iter::once(Mark::All).chain(tables.iter().copied().map(Mark::Table))
}

/// The mark's name. `place` is the database.
fn name(place: &[u8; 32], mark: Mark) -> String {
    let place = hex::encode(&place[..16]);
    match mark {
        Mark::All => format!("rowhouse:answers:{place}:all"),
        Mark::Table(table) => format!("rowhouse:answers:{place}:{table}"),
    }
}

/// Milliseconds since 1970.
fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Shared {
    /// # Errors
    /// [`BadAddress`].
    pub(super) fn new(url: &SecretString, life: Duration, keys: &Keys) -> Result<Self, BadAddress> {
        let commons = Commons::new(url, "cache.redis", "answers")?;
        Ok(Self { commons, seal: Seal::new(keys), life, sending: Arc::new(Semaphore::new(SENDING)) })
    }

    pub(super) fn set_keys(&self, keys: &Keys) {
        self.seal.set_keys(keys);
    }

    /// Whether it is asked at the moment.
    pub(super) fn is_asked(&self) -> bool {
        self.commons.is_asked()
    }

    /// How often it failed since the start.
    pub(super) fn failures(&self) -> u64 {
        self.commons.failures()
    }

    /// What there is of this question, in one question to Redis.
    pub(super) async fn find(&self, place: &[u8; 32], question: &Key, tables: &[u32]) -> Found {
        if !self.is_asked() {
            return Found::default();
        }
        let answers = self.seal.names(question);
        let mut command = redis::cmd("MGET");
        for answer in &answers {
            command.arg(answer_name(answer));
        }
        for mark in marks(tables) {
            command.arg(name(place, mark));
        }
        let mut pipe = redis::pipe();
        pipe.add_command(command);
        let Some((mut there,)) = self.commons.ask::<(Vec<Option<Vec<u8>>>,)>(&pipe).await else {
            return Found::default();
        };
        if there.len() != answers.len() + 1 + tables.len() {
            return Found::default();
        }
        let tokens: Vec<Option<Token>> =
            there.split_off(answers.len()).into_iter().map(|token| token?.try_into().ok()).collect();
        let gone = marks(tables).zip(&tokens).filter(|(_, token)| token.is_none()).map(|(mark, _)| mark).collect();
        let marks: Option<Marks> = tokens.into_iter().collect();
        let answer = marks.as_ref().and_then(|marks| {
            there.into_iter().flatten().find_map(|sealed| self.read(&self.seal.open(question, &sealed)?, marks))
        });
        Found { answer, marks, gone }
    }

    /// An answer and its age, if it carries these marks and is not too old.
    fn read(&self, mut body: &[u8], marks: &Marks) -> Option<(Kept, Duration)> {
        let (began, rest) = body.split_first_chunk::<8>()?;
        body = rest;
        for mark in marks {
            let (carried, rest) = body.split_first_chunk::<16>()?;
            if carried != mark {
                return None;
            }
            body = rest;
        }
        let age = age(u64::from_le_bytes(*began), millis(SystemTime::now()))?;
        (age < self.life).then_some(())?;
        Some((Kept::unpack(body)?, age))
    }

    /// Keep an answer whose statement began so long ago, if there is room on the way. Nobody waits for it.
    pub(super) fn keep(self: &Arc<Self>, question: Key, kept: &Kept, marks: &Marks, age: Duration) {
        let Some(left) = self.life.checked_sub(age).filter(|left| !left.is_zero() && self.is_asked()) else { return };
        let Ok(place) = Arc::clone(&self.sending).try_acquire_owned() else { return };
        let mut body = (millis(SystemTime::now()).saturating_sub(age.as_millis() as u64)).to_le_bytes().to_vec();
        marks.iter().for_each(|mark| body.extend(mark));
        body.extend(kept.pack());
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let _place = place;
            let names = shared.seal.names(&question);
            let (Some(name), Ok(sealed)) = (names.first(), shared.seal.seal(&question, body)) else { return };
            let mut pipe = redis::pipe();
            pipe.cmd("SET").arg(answer_name(name)).arg(sealed).arg("PX").arg(left.as_millis().max(1) as u64).ignore();
            let _: Option<()> = shared.commons.ask(&pipe).await;
        });
    }

    /// Put what is kept of these out of date, for every host.
    pub(super) async fn tell(&self, place: &[u8; 32], told: &[(Mark, u64)]) -> bool {
        let mut pipe = redis::pipe();
        for (mark, _) in told {
            let token: Token = rand::random();
            pipe.cmd("SET").arg(name(place, *mark)).arg(&token[..]).arg("EX").arg(MARK_LIFE).ignore();
        }
        self.commons.ask::<()>(&pipe).await.is_some()
    }
}

fn answer_name(name: &str) -> String {
    format!("rowhouse:answer:{name}")
}

/// How old an answer is whose statement began then. None where it is from a time to come.
fn age(began: u64, now: u64) -> Option<Duration> {
    match now.checked_sub(began) {
        Some(age) => Some(Duration::from_millis(age)),
        None => (began - now <= AHEAD.as_millis() as u64).then_some(Duration::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kept::tests::kept;
    use super::*;
    use crate::query::Kind;

    #[tokio::test]
    async fn an_answer_is_one_while_its_marks_are_the_same_and_it_is_young() {
        let state = tempfile::tempdir().unwrap();
        let keys = Keys::open(state.path()).unwrap();
        let url = SecretString::from("redis://127.0.0.1:1");
        let shared = Shared::new(&url, Duration::from_secs(30), &keys).unwrap();
        let (marks, rows) = (vec![[1; 16], [2; 16]], kept(&[("n", Kind::Text)], &[&[Some("a")]]));
        let body = |seconds_ago: i64, marks: &Marks| {
            let began = millis(SystemTime::now()).saturating_add_signed(-seconds_ago * 1_000);
            let mut body = began.to_le_bytes().to_vec();
            marks.iter().for_each(|mark| body.extend(mark));
            body.extend(rows.pack());
            body
        };
        let reads = |ago: i64, carried: &Marks, now: &Marks| shared.read(&body(ago, carried), now).is_some();
        let other = vec![[1; 16], [3; 16]];
        for (ago, carried, now, good) in [
            (0, &marks, &marks, true),
            (29, &marks, &marks, true),
            (31, &marks, &marks, false),
            (-3, &marks, &marks, false),
            (0, &marks, &other, false),
            (0, &other, &marks, false),
            (0, &marks, &vec![[9; 16], [2; 16]], false),
            (0, &marks, &vec![[1; 16]], false),
            (0, &vec![[1; 16]], &marks, false),
        ] {
            assert_eq!(reads(ago, carried, now), good, "{ago} {carried:?} {now:?}");
        }
    }

    #[tokio::test]
    async fn a_redis_that_is_away_is_asked_once_and_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let keys = Keys::open(state.path()).unwrap();
        // Nothing listens at this port of the machine itself.
        let url = SecretString::from("redis://127.0.0.1:1");
        let shared = Arc::new(Shared::new(&url, Duration::from_secs(30), &keys).unwrap());
        assert!(shared.is_asked());
        for _ in 0..3 {
            let found = shared.find(&[0; 32], &[1; 32], &[7]).await;
            assert!(found.answer.is_none() && found.marks.is_none());
        }
        assert!(!shared.is_asked());
        assert!(!shared.tell(&[0; 32], &[(Mark::All, 1)]).await);
        assert_eq!(shared.failures(), 1, "once");
    }

    #[test]
    fn an_address_that_is_none_is_not_repeated() {
        let state = tempfile::tempdir().unwrap();
        let keys = Keys::open(state.path()).unwrap();
        let said = Shared::new(&SecretString::from("http://:hunter2@x"), Duration::ZERO, &keys).err().unwrap();
        assert!(!format!("{said} {said:?}").contains("hunter2"));
    }
}
