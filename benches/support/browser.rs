//! One connection to the appliance, as a browser keeps it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use sutler::clock::Stopwatch;

/// Times a page is asked for.
const REQUESTS: usize = 500;

pub(crate) struct Browser(BufReader<TcpStream>);

impl Browser {
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the appliance listens");
        stream.set_nodelay(true).expect("it is TCP");
        Self(BufReader::new(stream))
    }

    pub(crate) fn get(&mut self, path: &str) -> Vec<u8> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("the appliance listens");
        let mut length = None;
        let mut line = String::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("the appliance answers");
            if line.starts_with("HTTP/") {
                assert!(line.contains(" 200 "), "{path}: {line}");
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length.expect("pages have a length")];
        self.0.read_exact(&mut body).expect("the appliance answers");
        body
    }

    /// An address on a page.
    pub(crate) fn find(&mut self, path: &str, begin: &str, end: &str) -> String {
        let page = String::from_utf8(self.get(path)).expect("pages are UTF-8");
        let until = page.find(end).expect("the page has it") + end.len();
        let from = page[..until].rfind(begin).expect("the page has it");
        page[from..until].to_owned()
    }

    /// How long a page takes each time, in milliseconds, after it was asked for once.
    pub(crate) fn times(&mut self, path: &str) -> Vec<f64> {
        let mut once = || {
            let since = Stopwatch::start();
            self.get(path);
            since.elapsed().as_secs_f64() * 1000.0
        };
        once();
        (0..REQUESTS).map(|_| once()).collect()
    }
}
