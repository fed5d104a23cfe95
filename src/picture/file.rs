//! Pictures as files. The format follows from the file's name: `.ppm` on the hot path, `.png` for
//! results.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use image::{
    ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};

use super::Picture;

/// Larger pictures are refused: no screen is, and a small file can claim to be.
const MAX_SIDE: u32 = 16_384;
const MAX_BYTES: u64 = 512 << 20;

#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("could not open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{} is not a picture Sutler can read", path.display())]
    Decode { path: PathBuf, source: ImageError },
    #[error("could not write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} has no ending that names a format, want .png or .ppm", path.display())]
    NoFormat { path: PathBuf },
}

/// Reads a PNG or PPM file. Palettes and grey become red, green and blue; transparency is dropped,
/// not blended, as OpenCV reads it for os-autoinst.
pub fn read_image(path: &Path) -> Result<Picture, PictureError> {
    let file =
        File::open(path).map_err(|source| PictureError::Open { path: path.into(), source })?;
    let decode = |source| PictureError::Decode { path: path.into(), source };
    let mut reader = ImageReader::new(BufReader::new(file))
        .with_guessed_format()
        .map_err(|source| PictureError::Open { path: path.into(), source })?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(decode)?;
    let (width, height) = decoder.dimensions();
    let image = image::DynamicImage::from_decoder(decoder).map_err(decode)?;
    Ok(Picture::new(width, height, image.into_rgb8().into_raw()))
}

/// Writes a picture so that a reader sees all of it or nothing: to a neighbour first, then renamed.
pub fn write_image(path: &Path, picture: &Picture) -> Result<(), PictureError> {
    let write = |source| PictureError::Write { path: path.into(), source };
    let format =
        ImageFormat::from_path(path).map_err(|_| PictureError::NoFormat { path: path.into() })?;
    let neighbour = path.with_extension("part");
    let mut out = BufWriter::new(File::create(&neighbour).map_err(write)?);
    let (width, height) = (picture.width(), picture.height());
    if format == ImageFormat::Png {
        // Fast: results are made smaller later, when nobody waits.
        PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Adaptive)
            .write_image(picture.rgb(), width, height, ExtendedColorType::Rgb8)
            .map_err(|error| write(io::Error::other(error)))?;
    } else if format == ImageFormat::Pnm {
        write!(out, "P6\n{width} {height}\n255\n").map_err(write)?;
        out.write_all(picture.rgb()).map_err(write)?;
    } else {
        return Err(PictureError::NoFormat { path: path.into() });
    }
    out.into_inner().map_err(|error| write(error.into_error()))?;
    fs::rename(&neighbour, path).map_err(write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_and_ppm_give_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut picture = Picture::filled(7, 5, [1, 2, 3]);
        picture.row_mut(6, 4, 1).copy_from_slice(&[255, 0, 128]);
        for name in ["a.png", "a.ppm"] {
            let path = folder.path().join(name);
            write_image(&path, &picture).unwrap();
            assert_eq!(read_image(&path).unwrap(), picture, "{name}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no neighbour is left");
    }

    #[test]
    fn what_is_not_a_picture_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        assert!(matches!(read_image(&path), Err(PictureError::Open { .. })));
        fs::write(&path, b"\x89PNG\r\n\x1a\nnonsense").unwrap();
        assert!(matches!(read_image(&path), Err(PictureError::Decode { .. })));
        fs::write(&path, b"P6\n99999 99999\n255\n").unwrap();
        assert!(matches!(read_image(&path), Err(PictureError::Decode { .. })));
    }
}
