//! `#[sqlx(rename_all = "…")]`: sqlx's rules, by the same functions.

use heck::{ToKebabCase, ToLowerCamelCase, ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};
use syn::LitStr;

use crate::errors::Errors;
use crate::suggest;

/// How a column's name follows from its field's.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    Snake,
    Lower,
    Upper,
    Camel,
    Pascal,
    ScreamingSnake,
    Kebab,
}

const RULES: [(&str, Rule); 7] = [
    ("snake_case", Rule::Snake),
    ("lowercase", Rule::Lower),
    ("UPPERCASE", Rule::Upper),
    ("camelCase", Rule::Camel),
    ("PascalCase", Rule::Pascal),
    ("SCREAMING_SNAKE_CASE", Rule::ScreamingSnake),
    ("kebab-case", Rule::Kebab),
];

impl Rule {
    pub(crate) fn parse(literal: &LitStr, errors: &mut Errors) -> Option<Self> {
        let wanted = literal.value();
        if let Some((_, rule)) = RULES.iter().find(|(name, _)| *name == wanted) {
            return Some(*rule);
        }
        let names = RULES.map(|(name, _)| name);
        let help = suggest::help(&wanted, &names);
        errors.at(literal, format!("unknown rule `{wanted}`\n{help}"));
        None
    }

    pub(crate) fn apply(self, field: &str) -> String {
        match self {
            Self::Snake => field.to_snake_case(),
            Self::Lower => field.to_lowercase(),
            Self::Upper => field.to_uppercase(),
            Self::Camel => field.to_lower_camel_case(),
            Self::Pascal => field.to_upper_camel_case(),
            Self::ScreamingSnake => field.to_shouty_snake_case(),
            Self::Kebab => field.to_kebab_case(),
        }
    }
}
