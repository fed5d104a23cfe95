//! Questions, where a person sits at a terminal and has named nothing.

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
};

use super::Medium;

/// What was answered: the folder, and what to boot.
pub(super) fn ask(
    answers: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<(PathBuf, Medium)> {
    let folder = question(answers, out, "Folder for the new job", Some("first-job"))?;
    let kind = loop {
        let kind =
            question(answers, out, "Boot an iso, a disk, a kernel, or nothing", Some("iso"))?;
        if ["iso", "disk", "kernel", "nothing"].contains(&kind.as_str()) {
            break kind;
        }
        writeln!(out, "One of these words, please.")?;
    };
    let mut file = |what: &str| loop {
        let path = PathBuf::from(question(answers, out, what, None)?);
        if path.is_file() {
            return io::Result::Ok(path);
        }
        writeln!(out, "There is no file {}.", path.display())?;
    };
    let medium = match kind.as_str() {
        "iso" => Medium::Iso(file("The ISO image")?),
        "disk" => Medium::Disk(file("The disk image")?),
        "kernel" => {
            let kernel = file("The kernel")?;
            let initrd = question(answers, out, "Its initrd, if any", Some(""))?;
            let append = question(answers, out, "Its command line", Some(""))?;
            let given = |text: String| (!text.is_empty()).then_some(text);
            let initrd = given(initrd).map(PathBuf::from);
            Medium::Kernel { kernel, initrd, append: given(append) }
        }
        _ => Medium::Nothing,
    };
    Ok((folder.into(), medium))
}

fn question(
    answers: &mut impl BufRead,
    out: &mut impl Write,
    words: &str,
    usual: Option<&str>,
) -> io::Result<String> {
    loop {
        match usual {
            Some(usual) if !usual.is_empty() => write!(out, "{words} [{usual}]: ")?,
            Some(_) | None => write!(out, "{words}: ")?,
        }
        out.flush()?;
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match (line.trim(), usual) {
            ("", Some(usual)) => return Ok(usual.to_owned()),
            ("", None) => {}
            (answer, _) => return Ok(answer.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_asked_until_the_answer_can_be_used() {
        let place = tempfile::tempdir().unwrap();
        let kernel = place.path().join("linux");
        std::fs::write(&kernel, "").unwrap();
        let said = format!("\nfloppy\nkernel\n/none\n{}\n\nquiet\n", kernel.display());
        let mut told = Vec::new();
        let (folder, medium) = ask(&mut said.as_bytes(), &mut told).unwrap();
        assert_eq!(folder, PathBuf::from("first-job"));
        let append = Some("quiet".to_owned());
        assert_eq!(medium, Medium::Kernel { kernel, initrd: None, append });
        assert!(String::from_utf8(told).unwrap().contains("There is no file /none."));
        assert!(ask(&mut &b""[..], &mut Vec::new()).is_err(), "the terminal was closed");
    }
}
