//! An appliance reached over TCP: where it is, and the token that says who asks.

use std::{
    fs::{self, Permissions},
    io,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// The variable that holds a token.
const TOKEN: &str = "SUTLER_TOKEN";
/// The port of our own page, where none is named.
const PORT: u16 = 8470;

/// What is spoken through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where an appliance is, and the token for it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub address: Address,
    pub token: Option<Token>,
}

/// A secret: it is sent and shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// `https://lab.example`, `http://127.0.0.1:8470`, `lab.example`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    is_tls: bool,
    /// As browsers would name it.
    pub authority: String,
    host: String,
    port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl std::str::FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "the address of an appliance, as https://lab.example or http://127.0.0.1:8470";
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (is_tls, usual) = match scheme {
            "https" => (true, 443),
            // Without a proxy in front it is the appliance itself.
            "http" => (false, PORT),
            _ => return Err(EXPECTED),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let uri: hyper::Uri = authority.parse().map_err(|_| EXPECTED)?;
        let named = uri.authority().ok_or(EXPECTED)?;
        if named.as_str() != authority || authority.contains('@') {
            return Err(EXPECTED);
        }
        let host = named.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = named.port_u16().unwrap_or(usual);
        Ok(Self { is_tls, authority: authority.to_owned(), host, port })
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("others may read the token in {}; chmod 600 {}", .path.display(), .path.display())]
    Open { path: PathBuf },
    #[error("could not read the token in {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the token in {from} is none; it begins with sutler_")]
    NoToken { from: String },
}

impl Token {
    /// From the environment, or from the file in `home`; none where neither has one.
    pub(super) fn find(home: Option<&Path>) -> Result<Option<Self>, TokenError> {
        if let Some(text) = std::env::var_os(TOKEN).filter(|text| !text.is_empty()) {
            return Self::read(&text.to_string_lossy(), TOKEN).map(Some);
        }
        let Some(path) = home.map(|home| home.join(".config/sutler/token")) else {
            return Ok(None);
        };
        Self::of_file(&path)
    }

    fn of_file(path: &Path) -> Result<Option<Self>, TokenError> {
        let failed = |source| TokenError::File { path: path.into(), source };
        let mode = match fs::metadata(path) {
            Ok(file) => file.permissions(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if !is_private(&mode) {
            return Err(TokenError::Open { path: path.into() });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        Self::read(&text, &path.display().to_string()).map(Some)
    }

    fn read(text: &str, from: &str) -> Result<Self, TokenError> {
        let token = text.trim();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_one = token.starts_with("sutler_") && token.bytes().all(plain);
        is_one
            .then(|| Self(token.to_owned()))
            .ok_or_else(|| TokenError::NoToken { from: from.to_owned() })
    }

    /// As a header has it.
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

/// Whether only its owner reads a file.
fn is_private(mode: &Permissions) -> bool {
    mode.mode() & 0o077 == 0
}

impl Address {
    /// Whether what is sent can be read on its way.
    pub(super) fn is_open(&self) -> bool {
        let is_loopback = self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        !self.is_tls && !is_loopback && self.host != "localhost"
    }

    /// Connects; with TLS against the certificates this host trusts.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let plain = TcpStream::connect((&*self.host, self.port)).await?;
        if !self.is_tls {
            return Ok(Box::new(plain));
        }
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, plain).await?;
        Ok(Box::new(tls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_and_where() {
        for (text, shown, port) in [
            ("https://lab.example", "https://lab.example", 443),
            ("lab.example", "https://lab.example", 443),
            ("http://127.0.0.1:8470/", "http://127.0.0.1:8470", 8470),
            ("http://lab", "http://lab", 8470),
            ("http://[::1]:9000", "http://[::1]:9000", 9000),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string(), address.port), (shown.to_owned(), port), "{text}");
        }
        for (text, is_open) in [
            ("http://lab", true),
            ("https://lab", false),
            ("http://[::1]", false),
            ("http://localhost", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_open(), is_open, "{text}");
        }
        for bad in ["", "ftp://lab", "https://", "https://a/b", "https://ann@lab", "http://a b"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_in_a_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(Token::of_file(&path), Ok(None)));
        fs::write(&path, "sutler_abc\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let open = Token::of_file(&path).unwrap_err().to_string();
        assert!(open.contains("chmod 600"), "{open}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let token = Token::of_file(&path).unwrap().unwrap();
        assert_eq!(token.header(), "Bearer sutler_abc");
        assert!(!format!("{token:?}").contains("abc"));
        fs::write(&path, "password\r\nX: y").unwrap();
        assert!(matches!(Token::of_file(&path), Err(TokenError::NoToken { .. })));
    }
}
