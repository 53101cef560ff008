//! Values that can be made up in any number: what a key column can hold for a moment while rows exchange what is in it.

/// A type of which values can be made up. They are numbered from 0, and come in an order of their own.
#[expect(unnameable_types, reason = "only this crate names it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeUp {
    /// Texts of so many characters at most.
    Text {
        most: u64,
    },
    /// Bytes, so many at most.
    Bytes {
        most: u64,
    },
    /// Numbers with so many digits behind the point; with fewer than none there are zeros in front of it.
    Number {
        least: i128,
        most: i128,
        scale: i64,
    },
    /// Days of so many years from this one.
    Date {
        first_year: u64,
        years: u64,
    },
    /// Moments of so many years from this one; what is written behind them.
    Moment {
        first_year: u64,
        years: u64,
        zone: &'static str,
    },
    /// Times of the day; what is written behind them.
    Time {
        zone: &'static str,
    },
    Uuid,
    /// IPv6 addresses, of the block that nobody is sent anything from.
    Inet,
    /// IPv4 addresses, of the block that nobody is given.
    Inet4,
    Interval,
    /// Strings of so many bits.
    Bits {
        length: u64,
    },
    /// Hardware addresses of so many bytes, of those that no maker gives.
    Mac {
        bytes: usize,
    },
    /// Ranges that hold one such value alone: no other range overlaps them.
    Range(Box<Self>),
    /// Arrays of one such value.
    Array(Box<Self>),
}

/// A value as it stands in a statement, apart from what a dialect writes around it.
#[expect(unnameable_types, reason = "only this crate names it")]
#[derive(Debug, PartialEq, Eq)]
pub enum Literal {
    Null,
    Number(String),
    /// Without quotes, and there are none in it.
    Text(String),
    /// In hexadecimal digits.
    Bytes(String),
}

/// What made-up texts begin with where there is room for it.
const PREFIX: &str = "upsert-parked-";

/// The digits of 36 that a text ends with at most: more make a number of more than 64 bits.
const MOST_DIGITS: u64 = 12;

/// Each month has 28 days, so that no calendar is needed.
const DAYS_OF_YEAR: u64 = 12 * 28;

const SECONDS_OF_DAY: u64 = 24 * 60 * 60;

impl MadeUp {
    /// Decimals of so many digits, of which so many stand behind the point.
    pub(super) fn decimal(digits: i64, scale: i64, is_signed: bool) -> Self {
        // A greater number has more digits than are needed, and than some programs read.
        let digits = u32::try_from(digits.clamp(1, 18)).unwrap_or(1);
        let most = 10_i128.pow(digits) - 1;
        Self::Number {
            least: if is_signed { -most } else { 0 },
            most,
            scale,
        }
    }

    /// Integers of so many bits.
    pub(super) fn integer(bits: u32, is_signed: bool) -> Self {
        let (least, most) = if is_signed {
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        } else {
            (0, (1 << bits) - 1)
        };
        Self::Number {
            least,
            most,
            scale: 0,
        }
    }

    /// Floating-point numbers that differ in six digits, as many as the shortest type keeps.
    pub(super) const FLOAT: Self = Self::Number {
        least: -999_999,
        most: 999_999,
        scale: -25,
    };

    /// How many values there are.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Text { most } => 36_u64.pow(digits(*most)),
            Self::Bytes { most } => u32::try_from(*most)
                .ok()
                .and_then(|most| 256_u64.checked_pow(most))
                .unwrap_or(u64::MAX),
            Self::Number { least, most, .. } => u64::try_from(most - least + 1).unwrap_or(u64::MAX),
            Self::Date { years, .. } => years * DAYS_OF_YEAR,
            Self::Moment { years, .. } => years * DAYS_OF_YEAR * SECONDS_OF_DAY,
            Self::Time { .. } => SECONDS_OF_DAY,
            Self::Uuid | Self::Inet => u64::MAX,
            Self::Inet4 => 1 << 28,
            Self::Interval => 100_000_000,
            Self::Bits { length } => power_of_two(*length),
            // The first byte says that no maker gave it.
            Self::Mac { bytes } => power_of_two(8 * (*bytes as u64 - 1)),
            Self::Range(element) | Self::Array(element) => element.count(),
        }
    }

    /// Whether there are so many that one which is drawn at random is none that is there.
    pub(crate) fn is_vast(&self) -> bool {
        self.count() > 1 << 40
    }

    /// The value of this number, which must be less than [`count`](Self::count).
    pub(crate) fn value(&self, n: u64) -> Literal {
        Literal::Text(match self {
            Self::Text { most } => {
                let room = usize::try_from(*most).unwrap_or(usize::MAX);
                let digits = digits(*most);
                let prefix = if PREFIX.len() + digits as usize <= room {
                    PREFIX
                } else {
                    ""
                };
                format!("{prefix}{}", in_36(n, digits))
            }
            Self::Bytes { most } => {
                let length = usize::try_from(*most).unwrap_or(16).min(16);
                let bytes = [PREFIX.as_bytes(), &n.to_be_bytes()].concat();
                let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
                return Literal::Bytes(hex.skip(bytes.len() - length).collect());
            }
            Self::Number { least, scale, .. } => {
                return Literal::Number(scaled(least + i128::from(n), *scale));
            }
            Self::Date { first_year, .. } => day(*first_year, n),
            Self::Moment {
                first_year, zone, ..
            } => {
                let day = day(*first_year, n / SECONDS_OF_DAY);
                format!("{day} {}{zone}", time(n % SECONDS_OF_DAY))
            }
            Self::Time { zone } => format!("{}{zone}", time(n)),
            Self::Uuid => {
                let (high, low) = (n >> 48, n & 0xffff_ffff_ffff);
                format!("75707365-7274-4000-{high:04x}-{low:012x}")
            }
            Self::Inet => {
                let groups = [48, 32, 16, 0].map(|shift| format!("{:x}", (n >> shift) & 0xffff));
                format!("100::{}", groups.join(":"))
            }
            Self::Inet4 => {
                let address = 0xf000_0000 + n;
                [24, 16, 8, 0]
                    .map(|shift| ((address >> shift) & 0xff).to_string())
                    .join(".")
            }
            Self::Interval => format!("{} days", 1_000_000 + n),
            Self::Bits { length } => {
                let length = usize::try_from(*length).unwrap_or(usize::MAX);
                format!("{n:0>length$b}")
            }
            Self::Mac { bytes } => {
                let bytes = (0..*bytes - 1).rev().map(|byte| (n >> (8 * byte)) & 0xff);
                bytes.fold("02".to_owned(), |mac, byte| format!("{mac}:{byte:02x}"))
            }
            Self::Range(element) => match element.value(n) {
                Literal::Number(element) | Literal::Text(element) => {
                    format!("[\"{element}\",\"{element}\"]")
                }
                Literal::Bytes(_) | Literal::Null => "empty".to_owned(),
            },
            Self::Array(element) => match element.value(n) {
                Literal::Number(element) => format!("{{{element}}}"),
                Literal::Text(element) => format!("{{\"{element}\"}}"),
                Literal::Bytes(element) => format!("{{\"\\\\x{element}\"}}"),
                Literal::Null => "{NULL}".to_owned(),
            },
        })
    }
}

/// As many as there are numbers of so many bits, and as can be counted.
fn power_of_two(bits: u64) -> u64 {
    1 << bits.min(63)
}

/// With how many digits of 36 a text of so many characters ends.
fn digits(most: u64) -> u32 {
    u32::try_from(most.min(MOST_DIGITS)).unwrap_or_default()
}

/// Lower-case letters and digits, which a CHECK lets in most often, and which no collation calls equal.
fn in_36(mut n: u64, digits: u32) -> String {
    let mut text = Vec::new();
    for _ in 0..digits {
        let digit = u32::try_from(n % 36).unwrap_or_default();
        text.extend(char::from_digit(digit, 36));
        n /= 36;
    }
    text.into_iter().rev().collect()
}

/// A number whose last digits stand behind the point.
fn scaled(number: i128, scale: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let number = number.unsigned_abs();
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{number}"),
        Ok(scale) => {
            let digits = format!("{number:0>width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => {
            let zeros = usize::try_from(scale.unsigned_abs()).unwrap_or_default();
            format!("{sign}{number}{}", "0".repeat(zeros))
        }
    }
}

fn day(first_year: u64, n: u64) -> String {
    let (year, n) = (first_year + n / DAYS_OF_YEAR, n % DAYS_OF_YEAR);
    format!("{year:04}-{:02}-{:02}", n / 28 + 1, n % 28 + 1)
}

fn time(n: u64) -> String {
    format!("{:02}:{:02}:{:02}", n / 3600, n / 60 % 60, n % 60)
}

/// A type as the catalog spells it: its name in lower case, and the numbers in parentheses.
///
/// `character varying(10)` is `character varying` and 10, `timestamp(0) with time zone` is `timestamp with time zone` and 0.
pub(super) fn parsed(declared: &str) -> (String, Vec<i64>) {
    let (before, rest) = declared.split_once('(').unwrap_or((declared, ""));
    let (numbers, after) = rest.split_once(')').unwrap_or((rest, ""));
    let name = format!("{} {}", before.trim(), after.trim()).to_lowercase();
    let numbers = numbers.split(',').map(|number| number.trim().parse());
    (
        name.trim().to_owned(),
        numbers.collect::<Result<_, _>>().unwrap_or_default(),
    )
}

/// The first number in parentheses as a length; without one there is no limit.
pub(super) fn length(numbers: &[i64]) -> u64 {
    numbers
        .first()
        .and_then(|&most| u64::try_from(most).ok())
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(made_up: &MadeUp, n: u64) -> String {
        match made_up.value(n) {
            Literal::Number(text) | Literal::Text(text) | Literal::Bytes(text) => text,
            Literal::Null => "NULL".to_owned(),
        }
    }

    #[test]
    fn a_text_has_no_more_characters_than_there_is_room_for() {
        for most in [1, 3, 12, 25, 26, 40, u64::MAX] {
            let made_up = MadeUp::Text { most };
            for n in [0, 1, made_up.count() - 1] {
                assert!(text(&made_up, n).len() as u64 <= most);
            }
        }
        assert_eq!(text(&MadeUp::Text { most: 2 }, 36 * 36 - 1), "zz");
        assert_eq!(
            text(&MadeUp::Text { most: 26 }, 36),
            "upsert-parked-000000000010"
        );
        assert_eq!(text(&MadeUp::Bytes { most: 2 }, 258), "0102");
    }

    #[test]
    fn numbers_are_in_their_range() {
        let small = MadeUp::integer(16, true);
        assert_eq!(
            (text(&small, 0), small.count()),
            ("-32768".to_owned(), 65_536)
        );
        let large = MadeUp::integer(64, false);
        assert_eq!(text(&large, large.count() - 1), (u64::MAX - 1).to_string());
        let decimal = MadeUp::decimal(5, 2, true);
        assert_eq!(text(&decimal, 0), "-999.99");
        assert_eq!(text(&decimal, 99_999 + 7), "0.07");
        assert_eq!(text(&MadeUp::decimal(2, -3, false), 12), "12000");
        assert_eq!(
            text(&MadeUp::decimal(30, 30, true), 0).len(),
            "-0.".len() + 30
        );
    }

    #[test]
    fn bits_and_addresses_have_their_length_and_ranges_one_value() {
        let bits = MadeUp::Bits { length: 3 };
        assert_eq!((text(&bits, 2), bits.count()), ("010".to_owned(), 8));
        let long = MadeUp::Bits { length: 72 };
        assert_eq!(text(&long, long.count() - 1).len(), 72);
        let mac = MadeUp::Mac { bytes: 6 };
        assert_eq!(text(&mac, 0x0102), "02:00:00:00:01:02");
        assert_eq!(text(&mac, mac.count() - 1), "02:ff:ff:ff:ff:ff");
        let range = MadeUp::Range(Box::new(MadeUp::integer(16, true)));
        assert_eq!(text(&range, 0), "[\"-32768\",\"-32768\"]");
    }

    #[test]
    fn days_and_moments_are_there() {
        let date = MadeUp::Date {
            first_year: 1000,
            years: 9000,
        };
        assert_eq!(text(&date, 0), "1000-01-01");
        assert_eq!(text(&date, date.count() - 1), "9999-12-28");
        let moment = MadeUp::Moment {
            first_year: 1971,
            years: 66,
            zone: "+00",
        };
        assert_eq!(text(&moment, moment.count() - 1), "2036-12-28 23:59:59+00");
    }

    #[test]
    fn a_type_is_read_as_the_catalogs_spell_it() {
        let parsed = |declared| parsed(declared);
        assert_eq!(parsed("numeric(5, 2)"), ("numeric".to_owned(), vec![5, 2]));
        assert_eq!(
            parsed("INT(11) unsigned"),
            ("int unsigned".to_owned(), vec![11])
        );
        let (name, _) = parsed("timestamp(0) with time zone");
        assert_eq!(name, "timestamp with time zone");
        assert_eq!(parsed("date"), ("date".to_owned(), vec![]));
    }
}
