//! What mails say: files in `templates`, each in plain text and HTML, in English and German.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior};
use time::OffsetDateTime;
use time::macros::format_description;
use yard_fault::Fault;

/// A mail, by its template and what stands in it.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    name: &'static str,
    values: BTreeMap<&'static str, String>,
    link: Option<Link>,
}

/// A link into the console. The secret stands behind `#`, so that no server on the way sees it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) page: Page,
    pub(crate) token: String,
}

/// Pages of the console that links lead to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Page {
    Invitation,
    PasswordReset,
    EmailVerification,
    EmailChange,
    Registration,
}

impl Page {
    const fn path(self) -> &'static str {
        match self {
            Self::Invitation => "/invitation",
            Self::PasswordReset => "/password-reset",
            Self::EmailVerification => "/email-verification",
            Self::EmailChange => "/email-change",
            Self::Registration => "/registration",
        }
    }
}

/// A moment as mails write it.
fn moment(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    at.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_default()
}

impl Letter {
    fn new(name: &'static str, link: Option<Link>, values: &[(&'static str, &str)]) -> Self {
        let values = values.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Self { name, values, link }
    }

    pub(crate) fn invitation(
        link: Link,
        [inviter, tenant, role]: [&str; 3],
        until: OffsetDateTime,
    ) -> Self {
        let until = moment(until);
        let values = [("inviter", inviter), ("tenant", tenant), ("role", role), ("until", &until)];
        Self::new("invitation", Some(link), &values)
    }

    pub(crate) fn password_reset(link: Link, minutes: i64) -> Self {
        Self::new("password-reset", Some(link), &[("minutes", &minutes.to_string())])
    }

    pub(crate) fn password_changed(at: OffsetDateTime) -> Self {
        Self::new("password-changed", None, &[("at", &moment(at))])
    }

    pub(crate) fn password_changed_in_session(at: OffsetDateTime) -> Self {
        Self::new("password-changed-in-session", None, &[("at", &moment(at))])
    }

    /// Without its name: whoever is in the account writes it, and would speak to its owner through us.
    pub(crate) fn passkey_added(at: OffsetDateTime) -> Self {
        Self::new("passkey-added", None, &[("at", &moment(at))])
    }

    pub(crate) fn passkey_removed(at: OffsetDateTime) -> Self {
        Self::new("passkey-removed", None, &[("at", &moment(at))])
    }

    pub(crate) fn email_verification(link: Link, until: OffsetDateTime) -> Self {
        Self::new("email-verification", Some(link), &[("until", &moment(until))])
    }

    pub(crate) fn email_change_old(link: Link, new_email: &str, until: OffsetDateTime) -> Self {
        let values = [("new_email", new_email), ("until", &moment(until))];
        Self::new("email-change-old", Some(link), &values)
    }

    pub(crate) fn email_change_new(link: Link, until: OffsetDateTime) -> Self {
        Self::new("email-change-new", Some(link), &[("until", &moment(until))])
    }

    /// Of what whoever asked wrote only the slug stands in it: free text would let anybody send what
    /// they like to anybody.
    pub(crate) fn registration(link: Link, slug: &str, until: OffsetDateTime) -> Self {
        Self::new("registration", Some(link), &[("slug", slug), ("until", &moment(until))])
    }

    /// The template's name, which is no secret.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }
}

/// A mail in words.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        [$(
            (concat!("en/", $name, ".txt"), include_str!(concat!("templates/en/", $name, ".txt"))),
            (concat!("en/", $name, ".html"), include_str!(concat!("templates/en/", $name, ".html"))),
            (concat!("de/", $name, ".txt"), include_str!(concat!("templates/de/", $name, ".txt"))),
            (concat!("de/", $name, ".html"), include_str!(concat!("templates/de/", $name, ".html"))),
        )+]
    };
}

const FILES: [(&str, &str); 40] = templates![
    "invitation",
    "password-reset",
    "password-changed",
    "password-changed-in-session",
    "passkey-added",
    "passkey-removed",
    "email-verification",
    "email-change-old",
    "email-change-new",
    "registration",
];

/// Every template, ready to be filled in.
pub(super) struct Templates(Environment<'static>);

impl Templates {
    pub(super) fn load() -> Result<Self, Fault> {
        let broken = |e| Fault::internal("a mail template cannot be read").with_source(e);
        let mut environment = Environment::new();
        // A value that is missing fails; what ends in .html is escaped.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
            .add_template("layout.html", include_str!("templates/layout.html"))
            .map_err(broken)?;
        for (name, source) in FILES {
            environment.add_template(name, source).map_err(broken)?;
        }
        Ok(Self(environment))
    }

    /// In the language of a locale, or in English.
    pub(super) fn render(
        &self,
        letter: &Letter,
        locale: &str,
        console_url: &str,
    ) -> Result<Written, Fault> {
        let language = language(locale);
        let mut values = letter.values.clone();
        values.insert("language", language.to_owned());
        values.insert("console", console_url.to_owned());
        if let Some(Link { page, token }) = &letter.link {
            values.insert("link", format!("{console_url}{}#{token}", page.path()));
        }
        let text = self.fill(&format!("{language}/{}.txt", letter.name), &values)?;
        let broken = || Fault::internal("a mail template has no subject");
        let (subject, text) = text.split_once("\n\n").ok_or_else(broken)?;
        let subject = subject.strip_prefix("Subject: ").ok_or_else(broken)?.to_owned();
        values.insert("subject", subject.clone());
        let html = self.fill(&format!("{language}/{}.html", letter.name), &values)?;
        Ok(Written { subject, text: text.to_owned(), html })
    }

    fn fill(&self, name: &str, values: &BTreeMap<&'static str, String>) -> Result<String, Fault> {
        let template = self.0.get_template(name);
        template
            .and_then(|template| template.render(values))
            .map_err(|e| Fault::internal(format!("mail template {name}")).with_source(e))
    }
}

fn language(locale: &str) -> &'static str {
    let own = locale.split('-').next().unwrap_or_default();
    if own.eq_ignore_ascii_case("de") { "de" } else { "en" }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-03-01 12:00 +02:00);

    fn letters(text: &str) -> Vec<Letter> {
        let link = |page| Link { page, token: "t0ken".to_owned() };
        vec![
            Letter::invitation(link(Page::Invitation), [text, text, text], AT),
            Letter::password_reset(link(Page::PasswordReset), 30),
            Letter::password_changed(AT),
            Letter::password_changed_in_session(AT),
            Letter::passkey_added(AT),
            Letter::passkey_removed(AT),
            Letter::email_verification(link(Page::EmailVerification), AT),
            Letter::email_change_old(link(Page::EmailChange), text, AT),
            Letter::email_change_new(link(Page::EmailChange), AT),
            Letter::registration(link(Page::Registration), text, AT),
        ]
    }

    #[test]
    fn every_letter_is_written_in_both_languages_with_all_its_values() {
        let templates = Templates::load().unwrap();
        assert_eq!(letters("x").len() * 4, FILES.len());
        for locale in ["en", "de-AT", "fr", ""] {
            for letter in letters("Acme & Söhne") {
                let written = templates.render(&letter, locale, "https://yard.example").unwrap();
                assert_eq!(written.text.contains("#t0ken"), letter.link.is_some(), "{locale}");
                let whole = format!("{}{}{}", written.subject, written.text, written.html);
                assert!(!whole.contains("{{") && !written.subject.contains('\n'), "{whole}");
                assert!(whole.contains("https://yard.example"), "{whole}");
                let german = written.html.contains("<html lang=\"de\">");
                assert_eq!(german, locale.starts_with("de"), "{locale}");
            }
        }
    }

    #[test]
    fn names_are_text_in_html_and_whole_in_plain_text() {
        let templates = Templates::load().unwrap();
        let name = "<a href=\"https://evil.example\">Acme</a> & {{ link }}";
        for letter in letters(name) {
            let written = templates.render(&letter, "en", "https://yard.example").unwrap();
            assert!(!written.html.contains("<a href=\"https://evil"), "{}", written.html);
        }
        let invitation = &letters(name)[0];
        let written = templates.render(invitation, "en", "https://yard.example").unwrap();
        assert!(written.text.contains(name) && written.subject.contains(name));
        assert!(written.text.contains("2026-03-01 10:00 UTC"), "{}", written.text);
    }
}
