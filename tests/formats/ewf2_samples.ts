/**
 * Images of EWF version 2 that ewfacquire of libewf 20260627 wrote (-f encase7-v2), from
 * content that is made here by formula.
 */
import { gunzipSync } from "node:zlib";
import type { Bytes } from "../../src/core/block.ts";
import { patternBytes } from "../support/pattern.ts";
import type { ImageFiles } from "./ewf_images.ts";

/** Text that packs well. */
function text(length: number): Bytes {
  const words = "What packs well is text that says the same again and again. ";
  return Uint8Array.from({ length }, (_, at) => words.charCodeAt(at % words.length));
}

function joined(...parts: readonly Uint8Array[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Eight characters again and again. */
function repeated(eight: string, length: number): Bytes {
  return Uint8Array.from({ length }, (_, at) => eight.charCodeAt(at % 8));
}

/** The content of each sample. */
export const CONTENTS = {
  // Two packed chunks, one of zeros, one of a pattern, one plain, one plain and short.
  every: (): Bytes =>
    joined(
      text(16_384),
      new Uint8Array(8192),
      repeated("PATTERN8", 8192),
      patternBytes(8192 + 1024),
    ),
  plain: (): Bytes => patternBytes(8192 + 1536, { seed: 2 }),
  sectors4096: (): Bytes => text(65_536 + 4096),
  oneSector: (): Bytes => text(512),
  emptyBlock: (): Bytes => joined(new Uint8Array(8192), text(8192 - 512)),
  odd: (): Bytes => text(8192 + 700),
  /** libewf has the digests of 8000 bytes, but kept whole sectors only. */
  oddFilled: (): Bytes => repeated("abcdefgh", 8000),
  segments: (): Bytes => patternBytes(2.5 * 1024 * 1024, { seed: 3 }),
  optical: (): Bytes => text(120 * 2048),
  /** Sectors 100 to 102 and 303 could not be read: libewf gave up what was around them, too. */
  errors: (): Bytes => text(262_144).fill(0, 96 * 512, 103 * 512).fill(0, 288 * 512, 304 * 512),
} as const;

export type SampleName = keyof typeof CONTENTS;

export const SAMPLE_NAMES = Object.keys(CONTENTS) as readonly SampleName[];

/** The files of a sample, as ewfacquire wrote them. */
export function sampleFiles(name: SampleName): ImageFiles {
  const content = CONTENTS[name]();
  return new Map(STORED[name].map(({ name, plain, packed }) => {
    const bytes = new Uint8Array(gunzipSync(Uint8Array.fromBase64(packed)));
    for (const [at, start, length] of plain) {
      bytes.set(content.subarray(start, start + length), at);
    }
    return [name, bytes] as const;
  }));
}

/** A file of a sample. */
interface StoredFile {
  readonly name: string;
  /** Chunks that are kept as they are: byte of the file, byte of the content, length. */
  readonly plain: readonly (readonly [at: number, start: number, length: number])[];
  /** All else, packed by gzip, in base64. */
  readonly packed: string;
}

/** The files, without what they hold of the content as it is. */
const STORED: Readonly<Record<SampleName, readonly StoredFile[]>> = {
  emptyBlock: [
    {
      name: "card.Ex01",
      plain: [[376, 8192, 7680]],
      packed:
        "H4sIAAAAAAACA3MNczPi5WpkYGJkZGBkYGBIXXUmZ+Y5z5yZBllPfzVNyK6Yo9sbzdVgwMPy3Xyvryh/im" +
        "6Qo+uW5+HLF7KozT77unpxE9/ZWyWL5DKuSL7z2vBoZpdxdmFYxcaLy/LevznXctuq1fuZoVbZ1m85sz6w" +
        "Ff2W+cJcYirwmgEBGBlQQQKUdgBibgb8YC1DhHTFnNJeb64WAwGX7Gy/5CP8xe07W7o6uBf3fCyumuu+2D" +
        "vzV2ipqWf88umXV0Q1M+k9EN6asejdM8ZmpTVbD3py95QLnTX/ltXW/TPOfsdj2V8hy6boJXaGqcTv3n2L" +
        "1//TxtyFMl8/6J59Y3/+z4XA+oRPkpOZoHY3QOkCJPcSAsaMX8wYRsEoGAWjYBSMglEwCkbBKBgFo2AUjI" +
        "JRMApGwSgYBaNgFIyCUTAKRsEoGAWjYBQMKzB9lug/ZD4zlDaATohLyEFoByDmIWDWdoZeORibCW6eAla1" +
        "HEDMCsQVUHtY5CB6VjOc5URWxwKlO+QhdAADwj0SBNwTwrjT5paQ8UnG6pf7LlxuapRLS3jVwMHihu4OsD" +
        "+hzlRgIN6/axliZPmh7Ao0bzoQEfYvGBq0AQU8Ieb4IAAA",
    },
  ],
  errors: [
    {
      name: "card.Ex01",
      plain: [],
      packed:
        "H4sIAAAAAAACA3MNczPi5WpkYGJkZGBkYGCovTQnxWiup95aXXn+PX89IyvmuPbGcjUY8DR/vnU3rYm96F" +
        "3ioSmG5XWmvMyaNb6X93/v5LDY+PCAa+nkY1aTRTtlvvC4nrlx1NEs70dI+PKuznXlXPozk1yPGJXO/1n+" +
        "t/wA+6y5gtoMSICRARUkQGkHIOZhwA/WMVRIV8wp7Q3kOmQg4PLc3LJ3pdkj2arOLSIv2wN9cmz3/oq45B" +
        "/57azBaaP7/hOu+3p2G+k9nqt2JTOv5vAarslhFeGNW1Wv/smI5484E/+1Rfre4t8lVhsE3b74GEW8P23F" +
        "dPLour1+GQ3/Lyn/P7fu4osXH38xJt6SnIDiBiYo3YBGg9zPS8D9AYwh1hW33p4+yNkAdP/FsGVMt09WXj" +
        "zKkiywaUFZ/hE1mz+35zdO39TKN3v7usvZoS+59jt9/Hf3neHm/hux26IyN22rMdVM3BihI9Z9NAkL9be1" +
        "loF7sf9/FDvh9rFeDKtj3fYYYl+Z49t7Db4VM24bfHCKjElsP222Ovba9fVqZ48GLdetfvHpWojzy3I+w7" +
        "obwjhtO5pUnxh/5pZ/KAN2+yD++7jnxSRk/8nPWH542trXX6JCdx1aH5DCXbr7+Bm7pPLITZdScv9mXfpT" +
        "twG3hf8O2Z2I97+F1T4HHqh9MiY7ul8rqSwoW58kLPcv99+B4tZcveg1ZZHz95tm6Ey7lRvl3L59mZSXff" +
        "DPf4nXJx/diM++e+r8/laE/JfklITsv/BdfutDd2r/4XLdFLC9+swT5bLpudNmr1kb7zvr/vlE74NJOG38" +
        "zf2boXWR/31C9jV5IqeX8NhtkXmbttWZZvqJWeXc3O2n7wqy/ejv8t3HfewWJeFPL47//MNw2TfFSPRG33" +
        "NXceEeRw+Ht/c6fDn+1c+KrVAUEASBi/JeqRck1mZuz1xrZZO+dNWz9ODqf1fX1bm9Ty6+mbTyxKk/eqg2" +
        "vrn+lveIV8wRotOL0h5wflhjEhmdmnlliWX0iw2pr632hk1d90Fb5P39t3LGvzvu2jcexenFb/W/GWTN/R" +
        "NISp/hOBImX/Q2UKYkEH/7buLKf9jt+9Oonr1aJzJz8rOchUgZY0/99uqUb4Zl/1vw54fyDH9DLOHJ2+Qg" +
        "4ACy79ZHm4OdQhNmvFHL+q63kJPv/Tf+/1e3u9en9U/bb7bKbY/Wp4mn5XbePz/rUZnN+znXxebf2hZxLE" +
        "bn9CZsKO7QP8bfCf6PiPTfFi7+/2b1D05OmmqWeQ6UNEEZYyk0abqnySeX1zpdCyNQngU98vfH4r9mAwGG" +
        "g2HrmG49rFUSc1PkODlNaNfxwFknkut+33hpWr1lT9SXKLc9Xk9m3RastKkzPfqn9lzMPN17qfeTpYt/fl" +
        "GMmJYaiQX9Za9mFpfz30VC/AHz3y0cKTP1pNfkrV+1cZefG+s38Ofr+W8nmN8NOaQDdpcfBNn3YebyDeom" +
        "XdpvCm6mbT3969daz+KNCy9Psy2pzF5V+a16yYk+PNlB/BurkbC/Hj77RusjCuujEVhPYA/X51tXlbTGLz" +
        "wh9qqsf2btkXebUpaevPXr6pKff2W25cQuT8Zvn5K9/97RemK0nhitJ0brCbrUE8ywfhy0gzqDF9Gvm8GI" +
        "v193mHGiG4ytAKUVGQRQdDVAecnQPvAHKD8Jyk9gQuVfQOM7MKPq34DGV2BBVT8Byk+B9blZUdUXsKKqf4" +
        "AmH8CGyj/AhmqeATuq/AI0vgAHKr+BA9W+D2h8GOCAOjWDE1X/DTS+BxcqfwcXqvs0uFHlZ3Cj2sfBgypf" +
        "gcZ/wYNqXgQvqvwJNL4FHyp/BR+qfRkymigtBWj0MEjwQ2gDJkR6kyAwjrCNYb4sSPlkpDT8mmE31zQg/0" +
        "Juzh4QDavMQNHC2ABMH9BAFoCKSzG+RrEGGv0MHYLQsQoG4t3jzqhtJdMYtS3PUe2Nmd4BzeDblecM2RXM" +
        "GdDiFexfIdR8Qsy4z3yGSVL8sHJBCFXOgYEwuMWwTQMAxlmSePgSAAA=",
    },
  ],
  every: [
    {
      name: "card.Ex01",
      plain: [[8832, 40960, 1024]],
      packed:
        "H4sIAAAAAAACA+16VVSdXbblwQnursGCe0hwPejB3SVocIfgcnAnuLu7u7u7uwYN7nR1V6rvXzWqu/q97x" +
        "xjf3OvsdeYc6/98D1NMVUgGzKCLwASAgIAAQAA5nHnTOG/SnhX/Vy6HjtEnnFNY4zQQfBhQfK/Xlk38dty" +
        "ShOhtvzYcl1qjhdYaf50344OgUyPkqaMal7GrhEzJDsp3xcOOt3rR85smS82zDlJ75EuUGdBro+yTELffz" +
        "r0IXV8R/sN+C9AAP4Z+n9Y8G8LEfB/RzlAndA1zSkKhOLHgha4iSPbDcOBhb0b257Y5Y1Rngdz65Mh/ZqU" +
        "xTM7trg4kZp892ov5aRQDiTZnw5pOA25oyCdKvWvt74sgW/9XcDeXl2CA5wVh3EVL3RlOzvCtIM+qHsgbE" +
        "FaR9wXLQ5JS0gz7VNSoqO7fZB98Bv/WssmC7e0NGdjJYul2t6gd3O3k705UoM4vkz84qKFIVLxwmrsCZiS" +
        "oX6D/HNXnz+c9Zf5/hOMIDgEXFfORrs/+LCgiU6rFkCuDrtN90MbodVkOdv0UfO+rGb6JtYEoqQ2Vsx+Vz" +
        "lG6BT+/bZ+zlobtaTToGle0+DBSWtQrc6AE9Zv+G/oNdATgJgr9/5Pnv/bD2Za1QumYffvfs5CZxs+INek" +
        "VZZLYQ1tg6DRz6U6C4uV1OP9ioWMP46uFpRFjl1QWL2WMP+Pbv2G3gZ6YytyKv9+VnkhZWUxRdkvriuci0" +
        "ZqVEhZ4G3L1Yby4YbV5aX5b6sN1b1/+1gZ9eylsGgcljltXL/4/9DJJGGpeteC0i7u2euSnXRstpmcm1mB" +
        "vc7uBNoXsaR9fv/1UefrN+P79uBjPQE13Daxbj/TfcwLdWDKHWSKLL9Pl+iVw6/QG/Lr5iXR5UXQfZdw1w" +
        "C+i95rl//PboR9NCIP4zMZDZZqSR90UY4rQ/2GBMkRRkvp4GcUv54nPkg882BnzVL3t2GdLqnS1Oimyocq" +
        "NQMkZENZSpfPc1AA4iRw94sNNxNda5MvnQlhBnpfclTMmSd93E1InkZG/tL1GR7rEm8zthM8kxeLhwvxE+" +
        "JP3gIsrNrWq8esBsVbLwXmeVReDJt6VObLK0VAV7ps7DGg6XjQtkm0FoGvauLKRig/6ZF1GuQZnvEuEVQK" +
        "kxImVaUROqNVgGIq6cThwTWzz65nQkZgFrzk9k512Vz80fbu8nA1n/7wvgTM3NQsO5teFl0wZJvu/pXvwE" +
        "JmI+llLyGEIc96oX6tAc6OdaebYAVFEo7S6wuUpIYcZeCLJoL0r/1J+Ig0NGFZVdduRaFZ8LdAY9vOi0Xc" +
        "DxSkKkW3NHxvWPpMT6D1I3BJv9SM+nmRTfTSiXJfc7vcM6Pz1+YhYAiqHPGLdpOOnHE0FSOHKsz9i6Gy7G" +
        "pspMz2qB6TPaCRlsFRxW3gu1bhhmWuUO9S2CIplXkUlT+lIdxxsDulDFgW+IodwvRxE1mfE/8Chtv//VCP" +
        "yiPAn+QmPyLFZoeqB0fs6eM20NTMVEmdfTP8LpFMM7xFK4TZDaEHRwCkkeg4cZuBU3tfq/mrijK4ZjEU3M" +
        "dWyMiU+oH4V524sNu3bkXmibAnA/KEeHCiIsJmgF74RBd2zDdp+ZVlTly7+Bz2gXMnVsDK2NfRbigUcqIR" +
        "NygYBxVb1+BkMQwDW/vF2l0grpbgVliucZYGa/pW/VCsT/3852TKOPfHK9jATrSKqWxrmPIioeiBXLmiWx" +
        "uvCiG+VHyrFYOyUNyFuNPgxoGjj3DDtAU78LyrYpZYsjJZhsoPzH5duatPsJSNELOx9t6NfBEpjdGkypgu" +
        "lYTYJ4g9NkxuMBfoBt+/+Mb/ttJn1oGbEy7cgslPG0/vq1C9hjXUk+dzKHocYIWCBjxehU8jYGMZEFd4R+" +
        "/zsnAcsrDaLAmMZSYqiSiasn7NyJrc/6opibGbvl1YYirw9OPo1VOD7+VsjlDHxhsSNWuhSZytC5muil/L" +
        "QcCrI3nNG3HLFKWkV6NZ/cv1GYJphAvO4TjGxmr0ole3GpjCkQKRPvpqwdJljPPleTmZMmEDEv8FfwHKU6" +
        "VsrIOgiB6ivvk+Nnf8e9Uj2SELmgVq8NfKAjrTjJr+USbio3PVoHCSYQ1BOo6itsw1KYjaa+t3wWVizrw5" +
        "bnBSRzSt+EoK6spEjO/DJOk83HzLDt26byRS+SNavfTJFjv54uh8hvu19lVsAVMTe/g515z4Iyk6J3VXcn" +
        "WsHexNkgoLSkqup+9jR7LqYtvbNVHc1popc7YhkGNexb9P97e4lJ3QakLm2NOCXCy2nDaiAXMEs0xKdryU" +
        "Qx/XZSYjokUYcCoP/VBObVyVemgaAuTVvb4cWPnFK0SjY59JUjnBN4VpGZ/zSvWDwQlarmJIY47P8c/MnI" +
        "bPYQVCt3OpqC93lZA+deGoxC11J4ceAnr0ublR/ZmlTEZUCEh0PToGvIby9WyFst2JusMMv/uKLPGAOFRw" +
        "p11nyZi+SIaNU+EbFqeJTV9WoDY8UPHmjqiv4SvlMGmcAYNIgbWVKMjeuE2KnUVsa9Lhg1G+4pfVPvaxIq" +
        "NFmm/+YPvomlex2BiBXKjC8BL2Ri3vA/EG1Mb8s0aleFXE7A/t1edNTjf1J4mcrr9a7xIO579qT5SX53sY" +
        "0ODXaIZl4WwpNP+IXbAoLgA77FQdE67UP7nEt8Tze26YRfzwAYeapdYNV/NqFRNufzf1+3EpO9e5guhK6R" +
        "DO6Zd6Nm4uxNBiJAqNLGsnxVdHatIhvV15tsGyg+PD8VMW0pHDma/J9danPyarP139MSzGo0fH7J0uKovH" +
        "qW2PpQNvuP/w0dwgI4CEnKVR4gu+WcEjBlyeIhntnvfb1T4vxXYwVrDMU7S+r/B6VSnGtIlMUrW6QKi3sg" +
        "OinP16qlcL755q9xD6At+SlNLM7ZsBS1/b3sHRVGXt3JirXePkLTzw+yQQ+AacPo0VdverXykuC5AN3tKc" +
        "Qt0Y8ZY0vJHnI8Y62JS9S+Jk9XMVg5XK2G/63umFqET0IyeDQRTS+7Jdlx3V1i50LG7IjOIij8JMtRyfiS" +
        "4gJ26pkFhvSM1njYvHsUljKwI0bPUF8/bSumQ4STXdmuIojTAjsv5BR3oEhuJ7sClqGa1VQPWicH6+MlH1" +
        "tITnJnFYC0knSTCZiL8+ixx/4U4wNQFiGkhv/zYzQAqkXbxYZs+wWrE2bA6D0S0c+yzBoOKIdD+eBGa4FP" +
        "FP6Jxjz+Bh0+PgDuvgFaupxaqlmPfA9pnsLIm5Q2xRzApjrkbTDmrzmLSOzF7nj/bO11urYm14m+KpSDyf" +
        "VHXHxpDxG8Ykyio3/WhgvcDqIeJsAR8ct882OFJaYkK89ubDn9MjX2CfuOCSaJHvTW7LwPZ7CwYh+aA+OZ" +
        "iE1s1PyNSuqem3HCF0iRMAT1b/Eunr8cz7AQtNTHAsfgvjiPuFL6OcfvV3TUbVjtAvM1mm7+5FcsJdVL1u" +
        "vNvfB4ghwxpOufueTVHQmt4Y9jlFNU5B5z+J5NMFoPAQVJUDpEQOQkINfrVnC74e2rjGTmxCj5gO6y/HfF" +
        "Nbe2fcOwF23/Yi3Q7zKC2UMYGIA6UjQwxMQb0e/kzfphtKuZZ+7VnQv/ibKJVRdUlMRDrjtg+OFJFPnSU9" +
        "eIHZqNZDWR/lNXCCmMPPDLQKzwleJiK0JJgrD3og0rT0rimwvgksUhATaY8RM28/B5DcF4W+/GY5VM+JxQ" +
        "mp3+dTfrRsOxx0mWTULerzCGue4q6AxzpchdI6RjHYDdQaykiwDCYliCvkvttpI7qKAe/u0OTRDT8JsXsL" +
        "uKHGAHNF7IJarl94RvJo398cgYr+6z0rhHhefAiSxzmnw3uXKQf2m8l5uG+9r/vxpc2bxVa7/lUmFX5NNw" +
        "ZUr0KVJWiZy/gaoewaNba2LeQW8H5kwPgN3NVU1HE4vfiHCAokd/XW+SPzd8VahvrX/N7mnIy87nxc90W0" +
        "ijCd+uxNDu7D50KdVqHwD17CdWVbnzLo8mLB1V3fnzSO1i567oUTOpS1VFtcn2FWeb1yl8wfy7uL31IZZg" +
        "NLVwZOJ81BMdazqLKlyVrfVZvZyVAC0b5xmI71osL9/Gr4csn0ylSFithaQGodMjotZbvg2p3MVSU/96tt" +
        "FhqtwJb5+0v8RJbUynzesXoo/YACXcPDTMM34sTZLS5pNr0MCRt0BBjUlxRHZKcdyZIptKZRN9LAPHgqY8" +
        "Oj95dyofn7i2nhdh2zATugeez+8jKHXUXKfnuVODyI6V45vs66zczTwMFRGgkCFcpe5f7mGDEOVcmhfDU4" +
        "W28XhpR6yflgQRGPMH2M8nfcDW5L/G6BQesL643qCLKnTrnBgI1LwCIBsfZF0Mh+0OW8rAmpZMcjqTED9Q" +
        "gp1ZjwNo7eK9NTBKUw0ccPe6rOgoz5LR66OWvOpPbHzlisdrGv34nQXvWaqGPkKZw+0O9Mm2WVgstW9jyC" +
        "DqqZ3EhUK88zZxI98vKnATo0ea2+KaWhfde9mKFZ4CIpGFVLJNjTLc3Nit2azxmtmjVPPnbD18fF+JL2ki" +
        "bi5YtmKEVPIbIcnpruuJ29eMPBSt9lq6rbDuqGBZq9OP0OpmbpS0qFPLyxdHykp09R20AQ2bN3bfd2GCNc" +
        "qCK5cHr2uA3mZPQ6+y1v+IwFKGv41Owgx1DRhDGz2TmAakVt0KhfvbbJEBh9AcGBxzYkhVQCZLhlqsFy5y" +
        "W0UI2HjP61bNd17wj0pCJkEW7r3FpB00V82mCbrStzkJthrD3ausbLVaM3WzY7jKO1cayB0eyGrTuFvRTc" +
        "l4zToZCNdLIB1SyY98oiURXUrOxwP64W0U5okEgA5Rax88FiyMpuLkoso98DxFE7sWlxjh97Rl0uZGUgjb" +
        "tl5JBhXhyWmjUB0VJTIZr0/tLNqkvyMk04qC2Vz5df3HHnPFjCmX8KGQq5cxS3W8uoNQCVUClilg4m3/Fz" +
        "7ReDl2ugmXkKoW7L6G4MGboHTZJk3nwHQ2H3zrdaKwu17PBnwOVSplpi6K15kXfGz3Y0MnZ90YeibKGLTT" +
        "gh9XBLXDqI2XP3JKfb8htECamKKqVGIGb4YDbDngctudeOHIlwmtBSe5ozUJe1XkNHvuXP292om4JjGfEB" +
        "qoK0nK5CngjRmgjN01B8HCW3JsWGg62B1q1DkKRQBbwV0TjSw67PfpjOCM/9e9T9ZGitQ7nNPAEPOVZ8fO" +
        "Ey1CrkV/0PIVNItQtk2mHccWUPKBybBovk0UMlsoZnCthBBY9MKpzP0Fi9bMPip97uBE19ONYurtDyUJWr" +
        "Zcph2qNp10DId4lhvj0Mg8akuFgumrxKaASU+ULK27W4xDAvd4gDiqkHtHkIIhkuIdL0HyezS+iO2tPqfu" +
        "kKP8nMNdhkntVKEHF8gUD3gHY9PorWi5+v2nfDZNjXQvUu8W8fgLLiZnBy+9GvDf3IaL5s9Kp6QRRt4T6F" +
        "gWKjwYu8ySNc0ewxmVrEoiHFNBv+TojPajztV0HePlAX14xFh15wJtdbdCv5Cfkbxsh9WUZfj9gJpZKNII" +
        "URhYsJflS/G6UfLhkuP8o6u8q9zg6BKyfBbDGb9Hh3Au8fm2xB4C5nfAfRmY9o3BDX2l8dZfz9T4TQcfE2" +
        "8JG2x/LxMNQsWEIAnMp6noPVTljlcJA7AMwNuCSLsTyq1752U1/UHM+B7xTWjouZpNyPdclCyL7or6ZflW" +
        "zzig6N/BmqLLpL29Q1gokLoZB6FzAbEcZ/sEkexu7PFmBbi/+2ajDmg9VCw+t9/7TsLZ36a+Qkb0kVOofb" +
        "keX70VCtoVSojp2oCqG64Na3ZYACZw0aIhUO48yjrap1FaI+Km1BFM4QpIbgzyhQkOrsgHDddCiC+iClpB" +
        "Ga9agzguRaTVRdfTtPJ+0XsWfW3OBFke4dBStXmeSdSDhE/X4MxSg7ymM3uxKad0oFwygjpluRU+6X19YU" +
        "+OicWlExdYA+4hzBeiC6WkooH9/Nej5x6kWEQa0nPnkJBAX9OQUQZPddBvXK2KhwFN3w/Plj11XgPgwrHe" +
        "J2SozALsSlcv5ERGm+xLSCMyF7CCYe8EMSo7ZI2A/R2Tfe+it6qOPPfNgxiSlse+z7S0YQA/PNHrKtJupf" +
        "dGQ9R51QP2CP472vOpYnYQQteXItJ2JYcfVGjB5snr3OL7WNiCM2Kgsg+C99rlP55YhanITucZL6iBP0yB" +
        "Ye8QM0RsM/Objb9rvm4skk15dz1iE3uTnNCUSuEe6TwS1BkdKGcXM7qjAMRTOMci7gfYH77uML+avzkcPO" +
        "b1gNe1wC9/NnV4xvYcuEHC7iYAXnFv/ybgA2awDFPrIPnoO6N4+Qjn79FDbV5WoY5xtamHD+Tl+uP4z5xX" +
        "RBqiVxxgXmoO486s8KwXw97sRvo8GDSebysLrwvu5cKKlnqtPthZ8+NtREkj/NC7OJ35gYZEqZbhJ2UEB+" +
        "O2sLHARZ2TgzCiFNA+FHi9VXkuY+vvLsqNQNU/afNcDHRkLfW7QrPd5lMt4VMX0o9IT1nmPjMQ2OzwirdZ" +
        "in0aX4FVhpc5g3g4RSsJ5TG0V1sRJ3yUyYJo96rN3nON5HzN983qKubn1E7qW/X5vAqyfe+GTH3Uszl42T" +
        "Py+q9vA9j0Yy2eSNoq1SlucYivuzJjNcT7rZXmqbwnc1zrMg7hoMKlessY3o31d6G0oKtojW+sbb8qaEzM" +
        "UVYE5/JFscoIm6tpaqynopEYwUnIUYAc6cnKZsxLkajNipjhSmTNmsA1EPffot3TbprV+exEDHYgw7rnqy" +
        "hH+x8n5PZIhlY3LkXNYyOR3FLSHn3OBWwdxnzfjpdUvQQghtMBmX88gnbGZ6e0TPby9dsFysqypj3cT9pq" +
        "TWUQwXiYMFwbSBuhuWoyskLyA+3HSr0amuWZS7UFvnW2zUxK7riYrwJiKVr5gu2gcEweq5Gh2RiuBn/+o9" +
        "Z5Q3gXekL9HaCGT4ertpwp2eAO+08uukPVnqSgUsjEAelQLF+5NAORvVH3s+7HRExcNP6M1LlBVw2NxB9h" +
        "/0gfnhC7Mh2MF50MVMN2Hq36CwHMmop6ZLOAyalXXgm8B0NKa1zjeWPHG8snyDdls71g6/aYOIpfFcw2mp" +
        "YLxmnjLwcjEZI9bGAZChvAuf5Kvz4dkWPKZgpUo/oYbn3St/UruQCzKrXDgJYfhhm0THsZhDJ56EXkd28m" +
        "5myn1vreD15OQ1JPOFXW5MOFglKv6eFJ48926Y5I2OrkU1cjlUntZLZVsf+lbhihvfty74fOUeG479ssNP" +
        "7fNa1qrK6KsWN4U5Tgd7q4A34/jmpfgZs16XwAlHDNw1YgjgPd4UF7QatZZVfb6d83oa2zWrZczSwwaf/G" +
        "oCHrD8XGfETBjB9OqosK0t6JmFgq1qL/exIw5si/hSrMAEVMCLIuZIa5ByPOZqpXHgCigqCMNEPREwRAlc" +
        "/Gkni0di52e4dx0B5zQIze+ISejzSdZoVoiYWKDCKRUtFF5Q9pfAz3meEo41ftmZ8UZU3rvQKeNZtJ8D6n" +
        "wEoJ968ytm2VU4ipd8NM2OHyCZrZBfuNDUijvRIXv7jJyPzMm7ixX5NLihHonZzmdGEsGTtC2Aw/JgdBaW" +
        "8QQtphKL5dY2aIthwaEUS3bBh0nvI+jS6jwx5vIHAjoa8XJbcmOrVkifsbhQOGioTA4JS6Tq5e7nIEvhw9" +
        "XAcAipftGG+t9ygQ+QLzx6sVOM0kQY4/QPO2Ic0UOVIyEK9mpgEtFRC9uGD9z7I8jWM+vF9HukexgfVAQS" +
        "1G8+uQ0ID82+pz5qQDQb51yHyafs65hL6LoB5wyQE/kMujkCXZa2UAIpfZnt9yaz/DTfdD+ffmYSLhWdg3" +
        "xpO4an5E6KjwuzXwcOZYSgBRdeOjfFElemJVLIXkEy7jMMTxl+7EvK07Tzz3e+MJzIN4+Del+mNjq0LFWS" +
        "P56aDP7FM2m4V9nQitwEDTMofKtBQ1DMAg3vRt51U6xqdE1dKKsO+rAOIF20/FWNT8dJh1/wYrnigA7sC4" +
        "tMrjBBVS8Re+UuVRUjoXYLibpANHYkJ375at+Gd/k8j4UO4ziVmakRfthtLHjHiL+dKAXslY5aTJvoJhIE" +
        "2rdZ7cVafFPKF+pANGmX9Nh/H3O1Dqy8qdXRbTRau/RM+B0i3rH8lfIjXjKuHMNkHu+GqXcXjIJWhTpe7V" +
        "FuSnKSIQ4hVhk2luc8/UPEilYsM0jzpL/oGl2zvfVCNpC8Jt0HvjDmM1WMhcnYpoXWVgKZMI2SqFsRs0uW" +
        "t+eq7HLnIqDtfdyeNOzELXSofJ22vl6bZICKTK0kxoUn/OH9XS/JGJMUIHCTjeUgrkS4XGhFOfkUHvsih5" +
        "2/WTlimzg7NMbAB4t7lhvmEmD4RSO1p5zXZXEjCCoYAlsolYMAElFtfM0NqhE/kqOc8UjyQT8yU9rX3D89" +
        "Z9m5tfpoDbFfZP81ekBKhlCbpmH898gz1IKLqHIivFpfGAXIhKX/Wmy7Wecu6Xi9XtTELL92Jg3Qe8RD+b" +
        "MbpH2qnfGS3PgOtU4jriZ1+itn+y5Ji8HDRiShjdgPCurnbv6oNS1H2AUC9QxyeZQqeyvAK9+VLazPgY86" +
        "qkRQOUZDRgew42+qZHf8KWNZuLsMzazNtl9JKXzormuZ6+yJd557aTGmCe8wDjby8tfr19TyHowf88owWn" +
        "m6SZuFcQnjnldlzpfB4jJi8+nnWevWD2pLiaO8Waq48MjG0JJUnCuzEyPwKSr1osNEMwYm64DJoCR78KSE" +
        "Bu6vWUOskZNruv1grCZDj37jN19wppr2pInPM/tqoRGglKFJ4D0w1FrfNUQB7YS/rtRFu1R8PAO1EDetJd" +
        "2IGiLONSv3NmGeq+BDOwdwBu8RhrR4Ch/k1JxDcDP7CVIgO4o3KOgwxihDD0PkzEGXTNlwGFbkHk+LEVGS" +
        "m8piUOcEbzPz6HHV6QNGn/3Dc8Hxek5WN6TJ/qAG/h7sJRfehb6xXxtJnT8IDpkF/1jgPX/fR1ElZU8PLK" +
        "+NuCMxwraVWAW8Zze/bmoBJl8ycY1S7sZiL8rFKnf7Eh9OEUuVYSAWDmun5X2xVcnZtO2BVNH0wXJaV8WX" +
        "wUaiIZa1ht8RQgSqtlV7Wgsqxfe6K5cNN7ox72cgDdUy6Xg+1qK2cA1Ta43XeF0SKVGpL55CrNkYG5HO94" +
        "7PRaalJs1NUdB2Swbx42BYlAUwUJ1bQLs3toGcb2O56iOy3o3Mi3HfwU9Mx41TaRy9fs7WMtAXSAHPJYTf" +
        "5GikdFhuMyIRdqgnvqQskMG3YeTQSPZ7J7is7U2PK0yzrL14ibLZ0p5gz6eMG0/jz2QWouyurEsESdBKZq" +
        "zIJWtyPKhd/6iFvjfTQ/+5GMAyfUHz6brpSNKcprOyKIRtU+rt2CV1zJVFIn6SeVg/bGAVyPyJmB8EOuc5" +
        "pC6+pcLLBGUHWvCQwF9JM8W8NHZ1OhMh58FB2HG8MxmKxGrSoHdgQbaKhVWxiPcz+a6g+0RJc4ShDGuy4v" +
        "5s3jnvvE6MEUem7fE3uOiA2AvA+dbdM9RbFKG72Tv8JuIfRaqbzY/IEL/TfQRHY7Kl5z3OvIQyzeARsqtT" +
        "QidDEmc4YA0fYGDSXmU5v3+dFxP8vqUULMwrgxDIfBBl55jkytvpeCZrNX3Dr0KTstl2buXXH1Dr7+Re44" +
        "qHTfZ+eLHk/s6/tYpKYSdZ6yrzRs/b7qlAfyoK27DRz+jeiXwtIWCacqxYUrrifs2NNWHoXxYwWOuhYjrd" +
        "7tvGisHeZfK1x30NWJzumwcrXxJab76cQ6ziQDBgrsbxE0uFiV8F8Cz6yJZGArFl9Q7sLge76uICtFFLXb" +
        "k/DWw/MfcDLkEn4QdfKEd8tMxRNS8KJ2rhNs93I+LvI5HlksDVMeFPQ9JDKXdTdDcThrcuhouiZZPa1IPk" +
        "3vLPCUAiW4+g7t9EXx3wDcUdAk0hDKmVkri+VLfA59jBTqrKuNfK9L8UnzdYvthrdd1JqIRD92Va1btgrB" +
        "nUe35jo5vVVPD3gX0OfXndKdcSr5H/3OIeoSDjccKGKqJMSe+rPdY8wBq/Z5FjV1rIpPi+jCNeiGxjDcxo" +
        "8u2k7xK9TT4vxuPpU9E8+fnr6XkbFVHVH0Yo0o9iAaSogws3KcAV2ZxHKQz+4Z/JMeOAHKqCA2K20pvzsO" +
        "oLlw1Sx3WeOqDBdWv0sPEGO1p14ElAQrFL6qIFlazFcJ7Zu7vIDydOLffksPBT3cMON7+OiiPqRnsfkgrX" +
        "terI5X3sdfDRqZxRDADFr56VJeHifWHtkOZpqz8q3J02O+AwatHOxYUpXisxVkygpPGylLW2Vp3j8HoYu9" +
        "d1yOk5xf6hQxzC68XPEIKenvVyGKUlBjQwlmwEiQnKIDaagxEyyeviNGwWm+xy5t+I886vuV2+oTyXdtmu" +
        "CZLvUFdLrdrn2xxQDHt3k0SB92F0dHCovHRhvasHEvPobcklGu0E6/Io4Uxrd3O0bKyCLyvC3+vjSBtLrd" +
        "JPIyAwTYNswrtgkM2wswsB3s37ght9lVOYiR2bNZ7y6KUkTgbmCb9Vs3ns59hLt6hMN/toViKb46moJlLJ" +
        "LrF1j8P86xsLFln4LddLBnQgzf1LJVXozU9rZLwF0MMImGSonk7h0tz9MxqG0h9JWOO4I8kZVT6x6PI6si" +
        "I186PQcg76axVLEm+NQMc1d5YRqRFT8g606GaxxhQxun1fokNuoGX+7G0k5aX6ghljBDGrGP88Zh57aciH" +
        "uRq82Vj7FGt7zSgEndwl5d4yPGH+ogEbBefTZTHrifCOBZY2nGJrnO2X1HEWjxlt3nXklRGtDEaZLmuLmw" +
        "CfBWDGi37clPEYn5FkC5fdD1eO81+In72bc/dbjVUJad3VeX02lTIwptzFNmKGLCP3KHUbO+MnV8mwupvy" +
        "UcDpRMjaJ1DBtG96gsljoO6jRkBQfdPGL9f61P12m/ar/HDhcZGgdI/50tZhi55rRJmZN5WQYEjheHolu/" +
        "Bohf8QUnIS6DwsiPeVnERbbL+5+hGsPlnA1GAfIjMuHvCU+f6AsyGT19kmgSuUTiGzAnvYn0PnJzRNwkoG" +
        "OkpfVua63D4TrDqQnh6HXooJRGuQMFxg8g63PnPHWM9+onHv7wy7KUT8fU1W775Y52DsPKobW330I0fmEY" +
        "Y/vOKK80nmfV9vWJ+xur6PD+HknEDEqivukVL99pfa7DVZV0E8KcXsM5PHexeWppIE/Dl+z9UWmxxBmgc7" +
        "tKZr74wGrNd2IBaEUY7KKFhtQZwU5pRBsNiw2/bi9XaS+0IiWm3Z/L62siqbwXclF4pdiEitSnsJXd0jKu" +
        "dHZ7vtItaEPNG+IfkN2si0KIUZE0ZUhI07d25fAM/v+qCbtQDqR72//YkMVB9vPs5s37Ps4vfLraepNECS" +
        "njR3jZqsOGjkAn0dElqMoba5UG2vVGXavEUIzwSamJXVOicSC7e+jO8dzzLstsGRoPaehmUnT5ZZbXaDhd" +
        "ZuBwLtFdx6DyJYvlkN+qahhfsT0fL/Fgdn+53wUp7VOxCOCOUuR5wGOjoRePndG6KtKMVlGFDT6G+OhRs/" +
        "dAwF9oD2pfnm1eA1qjJvelodpiD6rqpPF4BscSQEC3DF/iv2n+F5jbURyizH96x/L0RMbg4RO7hJVpLJ5j" +
        "1dTinjcSVl0U1M1FGAA1JFjNg4AYPcHN6sUndcnM+c593rVli2I+r5E12bEWQnITveAILIkCvAf+O/8d/4" +
        "/x3hdx/p/1pD/SMH9icYdkn5X3kppv+gdQhRqfiPPewfhvuXpFXWH12jP9kztD8BLcN/yaLB/23B/CWX9I" +
        "86+k//Menf+30+/r2GhgYA/ucRG2zLx7/6Qf/haOo//Jf8F95/mCcXokMKclv3s7PfNAGp//LncIMfQc+w" +
        "N18A/3LP//VeNH9nsr/oI/0H/ReAAaNbAqhBOTNQQCMHF0qO8b6j+MZSweIDu94/ej784a5/ow//H/Q1IN" +
        "IFUf/syT7989n/S/4tCfCF8H8Aml05z6AoAAA=",
    },
  ],
  odd: [
    {
      name: "card.Ex01",
      plain: [],
      packed:
        "H4sIAAAAAAACA3MNczPi5WpkYGJkZGBkYGBQTzVrqbvkYbjnx4Jb01huFFfM0e0J5Gow4HH+fPtuWlOF3P" +
        "MJnFqLrPf/CnN7aOp7qy4/5MLCyNl+V5h7LQ/HcobZBBem6Z7j0te7de3tyXc+O3Q1a4zWr1i5emv55Q7r" +
        "CrEV8iUbBd4zIAFGBlSQAKUdgJiHAT9Yx1AhXTGntNebq8VAwCU72y/5CH9x+86Wrg7uxT0fi6vmui/2zv" +
        "wVWmrqGb98+uUVUc1Meg+Et2YseveMsVlpzdaDntw95UJnzb9ltXX/jLPf8Vj2V8iyKXqJnWEq8bt33+L1" +
        "/7Qxd6HM1w+6Z9/Yn/9zIbA+4ZPkZCao3Q1QugDJvYSAMeMXs4pbb08f5GwAuvdi2DKm2ycrLx5lSRbYtK" +
        "As/4iazZ/b8xunb2rlm7193eXs0Jdc+50+/rv7znBz/43YbVGZm7bVmGombozQEes+moSF+ttay8C92P8/" +
        "ip0Vt7TDNE56hGr4nfEN9fDxP3Mm2OOMd+OGLyKHjIW8RbiEJm/uFj0VXFwkYtQt6hWk7dVg1fDoaOfUo4" +
        "ur3L/yLYhj8LX+LopkHjOUNoBG3AEk/0sQ8L8v42NzGJsJbp4CipoCqLnJ0LTxAMp3hfL/Ml5TR1bPAnMP" +
        "1MAAEtxzn0FIde2io72fEl/7mVy/c+xQZO1pOy7pCGQ1HFD6ANR8BRLSpzljkyU/lK3AjCpHTHopZrgpDA" +
        "AgIiwKoAMAAA==",
    },
  ],
  oddFilled: [
    {
      name: "card.Ex01",
      plain: [],
      packed:
        "H4sIAAAAAAACA3MNczPi5WpkYGJkZGBkYGCQc/xhXVDiIzW1cqWruHrI0Yo5uj2BXA0GPM6fb99Na2Iv4p" +
        "tp4FryPPz+KY09yzxvv+/lstqScb2zaoFhesTUhMPGounXXuV8eLQo/+68kPRDbz0fTq50Peucu1ja78qT" +
        "yAV1JYUCbxmQASMDKkiA0g5AzMuAH6xnmCFdMae015HrkIGA638zS9/gWyLvH6gmCb48tGVGhu3eXxKLrC" +
        "U//XvcnnhvvcL61ZPEUnUe+xm/LMmrObSGa7JcQWjjVtOrf1KipXWeid990Ff9yXqvVVzLxDkZfWXf88yZ" +
        "zh6sc+dNafgfnd5jX/WMOeGO5CQGJqjdDVC6AMm9jATca8IoYp6YlJySmpaewQwVM4Bq4kAyhxCoZXAWRQ" +
        "8/JgYJFDUwe0DmsgKxEXONOrI8C5SuYES1F0RLELBfjHG/gTPXt+2X2p4/fuuXFLz+8TGpes4NAchqYP75" +
        "ATVfAcl8HgLm5zGudxFlqbTom3z8j9sXfkvp24kNFt4qqyI5hMJgajihdAQTpvkcBMw/wyCnwg9l72BClS" +
        "Mm/LkY24wAagZl9DgDAAA=",
    },
  ],
  oneSector: [
    {
      name: "card.Ex01",
      plain: [],
      packed:
        "H4sIAAAAAAACA3MNczPi5WpkYGJkZGBkYGC4na4q5HjaqWkxW6xxjpTGvoo5uj2BXA0GPM6fb99Na2Iv4p" +
        "tp4FryPPz+KY492zxvv+/lstqScd3zu0PyuQ1aB9vStc6tuXrzwVHX+7tsV55ruT35kHrx0cDtgb7G9554" +
        "Otj7lwvsYEABjKhchgQo7QDEfAz4wQaGHdIVc0p7o/maDARc3+fvltIOeCR3x0W15UOiaZD8avH+yZ881W" +
        "y/PzN5u+a+wvrVk9JSo5ZZ8y65HPGzMZJVbe8DX26dqyKvxatL27u/evL/WFZdNHsx3xwO5ZvJ57Z9z7Rm" +
        "epayfW7UpoNvbv+vF9x80dg+4YPkNDQ3MEHpBjQa5H5+Au4PYpxiXXGL+7yHTqCGh885vTAN/7MnA0/ohG" +
        "l4rtUI1GDsFFcPY9opudLBLW+VU1JVUto8p6Q4rpalywXsVpWfeM3KcD50axSamcww+6EBG0CCe54wHFZD" +
        "jxcmBgkUNQ1QCUeomiMM2lzI8ixQ+gIjwl4YLUHA/jzG+U5VSyVil0iE/ZdMnWTTyN727h3bUgtkNRxQOg" +
        "Aa8ApI5vMQMP84wyElWBhsYEKVc2AgDJgYnxkAAIFxOkEwAwAA",
    },
  ],
  optical: [
    {
      name: "card.Ex01",
      plain: [],
      packed:
        "H4sIAAAAAAACA3MNczPi5WpkYGJkZGBkYGBoWFdZ2r7S0WXWa+PdzRpmPRVzdHsC+RoUeJx/W/spH+Nfp/" +
        "yhkVNq0Zx4Xd7IT9e23t53/fDDI33M4ledpZ77hLlsumwsYqjcOTdnj0T09klabruUNf+kaPWLnr6SWTZ5" +
        "u6JG+Rr5PcqCvgxwwMiAChKgtAMQczHgB2sYLKQr5pT2BvIdUhBh+S7up3wkaY+zfuOyzD8Cs52i/df7zf" +
        "t6eY+BdSTT+79cn3Zpv17WJHrnpZcVr/X8DSsOrhG1C0m8PTutbmO48Jpni9N2PJz3x/dK4+QEJX+TvW9j" +
        "c9wXWN7OXa4s+WC/2a36k3+8z9cwJHpIzkRzAxOUbkCjQe7nJ+D+IMYp1hW33p4+yNniIOByMcSK6fLHOy" +
        "82dK3jMN4wa29XpM77b6sffA3edqM4IuvPqV3HYhZPXexa/W/Wc9vlRce3u9QV3VPa/nGtXtW01MhRNEDo" +
        "/6m4yy9/PoPHKSQ+DwWIuB4My2Pd9vjXQnnhHscK+SvveG80nb4py+eTrqcc2z9x19Vdy7+9Xu9nqW/6ec" +
        "3pvZ+lbk/bany8Wu7Rj9j5aaPBSj30d/FfppfbIl9B44cZlj+hBU8BMyK/ChDIrxyMT3TQ8z0zgwKKmgao" +
        "uccZIWVbANT8mVC+JZOQLrJ6Fij9AcoIQCo/JAi4ZyFjhQ8TmhgzgwEKn5CfjAjIOzM0oBTDbDB/skLDjw" +
        "T3hjA+ttZsCd0jNv/IOwNzlQPCvQ+aitntbVDCGEobQC1SQDKfh4D5qxn4ZGFl7gQ2VDkHBsLgGYORNgD2" +
        "QgjXEAcAAA==",
    },
  ],
  plain: [
    {
      name: "card.Ex01",
      plain: [[368, 0, 8192], [8576, 8192, 1536]],
      packed:
        "H4sIAAAAAAACA3MNczPi5WpkYGJkZGBkYGA4xHPv7lwTN4HZE2+6F5fGFFXM0e1x5Gow4GH5Puvfsib2+c" +
        "m6QY6uW96HL1/Iojb7rsp9adGSjGvLhL86JJ8rCG8SPR8yJ7J786Hu7m2l1ZushfO8ueaf0c56lfX2rskj" +
        "vnmsr9hLPgp8ZEAARgZUkAClHYCYmwE/WMsQIV0xp7TXm6vFQMAlO9sv+Qh/cfvOlq4O7sU9H4ur5rov9s" +
        "78FVpq6hm/fPrlFVHNTHoPhLdmLHr3jLFZac3Wg57cPeVCZ82/ZbV1/4yz3/FY9lfIsil6iZ1hKvG7d9/i" +
        "9f+0MXehzNcPumff2J//cyGwPuGT5GQmqN0NULoAyb2EgDHjFzOGUTAKRsEoGAWjYBSMglEwCkbBKBgFo2" +
        "AUjIJRMApGwSgYBaNgFIyCUTAKRsEoGAWjYBQMebDipPC70VAYBaNgFIyCUaD68/ZOZD4zlDaALoxTUIPQ" +
        "DkAsQcCsywxHlWBsJrh5CihqCqDmsihA1DQoQvlsEL4r4wtpZPUsUHqCOoQOYCDePSmMH+0nXpk96/P7UF" +
        "dR89KqqIzEuMvsnj7IajigtIIGlEYyn4eA+XsZpijwQ9kNGqhyDkSE/Q+GHXoAiQ2D4wApAAA=",
    },
  ],
  sectors4096: [
    {
      name: "card.Ex01",
      plain: [],
      packed:
        "H4sIAAAAAAACA3MNczPi5WpkYGJkZGBkYGD4crt4SswKzwXbgg3SJk3pnFAxR7cnkKvBgMf5/vsyKfZFFT" +
        "LPBVo1F1nvnzU1sMJ38rb70h9kzryZE9T/wkTdUPio0vmNksLdGzum6726lutp5rbT9OaXk5Gsx5ZduyZr" +
        "KyvcPCX8b2mowE8GOGBkQAUJUNoBiLkY8IM1DBbSFXNKe725WgwEXLKz/ZKP8Be372zp6uBe3POxuGqu+2" +
        "LvzF+hpaae8cunX14R1cyk90B4a8aid88Ym5XWbD3oyd1TLnTW/FtWW/fPOPsdj2V/hSybopfYGaYSv3v3" +
        "LV7/TxtzF8p8/aB79o39+T8XAusTPklOZoLa3QClC5DcSwgYM34xq2B8e/0g52EDHoYDoSaO105Gm6jx+T" +
        "ofaNty+7pq9JTfJ5nqe1TnPptle67GJjom9X5y9sXTu93/P42uO7ZxmuAeryezbgtW6pSbHH2zbvsnc7fQ" +
        "Fay1zvNNxM8EpCWozHuS/ptJ2EhxFNEePayf8YG7NbfmIjA+pzmC8gfL/k36H6znNbNFr3HNcPi7N9T+YW" +
        "Iep8r0DTfn3hGpa1OKXHHz6u0ne2/EbItYt8mq/uqCjzNv5kbN5tN3nRmb93UVS+4H7h9sdp56ExYaMPew" +
        "+B86b6DowyH8by5n/u8zK6ThaYgZShtAM44DEyL9cRJIfwcYIhVgbCa4eQooagqg5l5ghORNB6iF6dC8+p" +
        "4xWBNZPQuU3gBVF4CUHyQIuCeB0dW+54r76gY1zXX/7oR43dDz79XimOWOrIYDZh7UIgUk83kImL+T4YW8" +
        "x8+7LqaSVaI+wcHT9m9lNWk/9YnjAMfNKJgaWJgtwGI+BwHzxRhVjPlhHFZUOWLKg1CG/bwAoPI7v4AFAA" +
        "A=",
    },
  ],
  segments: [
    {
      name: "card.Ex01",
      plain: [
        [384, 0, 131072],
        [131472, 131072, 131072],
        [262560, 262144, 131072],
        [393648, 393216, 131072],
        [524736, 524288, 131072],
        [655824, 655360, 131072],
        [786912, 786432, 131072],
      ],
      packed:
        "H4sIAAAAAAACA+3QyWtVZxgH4HNu48BtEge4OKGrUqJoTMSQQYMpMZLGhqiIoha50RDBhVpFTRe1qcUi6B" +
        "VdiLXGEJQaDOIAGiWIulEpdMhCwQEHlBqHTUp1IahtSq7FUy6Nf8DzHD7e78c5fOf93qpFc6blxL8JYmEY" +
        "hEEQ5NfmFk57Ujvi+7Hzv8hr7PipqaUotSzeXJCd1XO2PJWYuftM9bZJh8ovduXsvfTRzV8efhVrPbg/VX" +
        "l9StmLTyfPPlWzoWHlisJFf1ybc6Dr54lX8s6ULtnXcnl2suHxnVt/nphxa/NvQy78OKIu+FcYRCXTtaJv" +
        "xYP/dywoGdfUsnHXJ7lbC4ZX/dVZnpOXPPftvorK7A8n7TnUuvzLLTd+aLz76nzjkddbaqpST6fn7RlZ+r" +
        "hm2NPNF+oXfHewtff4mEd3Gnp2tH9cMuPe8+ap608/Kzxc3Fi3tqdt6+pk5az6X99cfVA897Nnt5cmXm9/" +
        "uerrA52povx5iZ0tieVjxvd3Gkv30vyf+k//gwbovzpcWBYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAApJVcTOw3BQAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACCToitHfzcFAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIJ" +
        "Nk05PbpgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAABkcm9N/KEpAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAJnUtndMMAUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgk+21ozaZAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJDJ867eznfzB+laEfbXdUFuf+5b" +
        "Cwc4a3E4tfjtfki6Dg2qI980p8/NCmJ9TxDsDmOR3BZmRfLJcHAkXwqHRnJ3GI/k+2F2JJcN6p787v+z0r" +
        "U37L9X29v79q3RA9zvVbjs85z0vjuWG3lX8R6zzg87Sv8GbaGFGlADDgA=",
    },
    {
      name: "card.Ex02",
      plain: [
        [384, 917504, 131072],
        [131472, 1048576, 131072],
        [262560, 1179648, 131072],
        [393648, 1310720, 131072],
        [524736, 1441792, 131072],
        [655824, 1572864, 131072],
        [786912, 1703936, 131072],
      ],
      packed:
        "H4sIAAAAAAACA+3Q64uOaRwH8Pt+jKUxMw6ZWoctL6RZMYxWY4bJaIzsrGmQHJcG06O8cUp4Ycw6pXjECm" +
        "uNaSKU5FAOk4Q3aMthXlDOtMo4lMh6oZxG85BbT2b/gM/n7up3fbvvrvt3/UonjhqUmf5HEAvDIBYEQW55" +
        "Vt6gJ+Wd/+o+bkFO/MA/S2sHJ6al1wzMSGs6WZTIHrbp+Og1fXcXnT2VufVc75uXHy6P1e3akSi53r/w9a" +
        "/9Rh4tW1Q1e1bexJfXRu08dennCznHC6Zsrz0/srLq8d1brw4PvbXkarszeztXBF+EQVRlshY3r/Tg+w4G" +
        "Q3osrV28cUTWyoGdSj+cKMrMqWxYtb24JKND382762Ysq77xd/ze29Pxfe+qy0oTT3/J2dyl4HFZx6dLzs" +
        "wcv3ZX3YtD3R7drWpav7/PkKH3/6sZsPDYs7w9+fGKeU31K+dWlgyfeeX9xX/zfxvz7PbU7Hfr3sxZsfNE" +
        "YnDu2OwNtdkzuv3U0mks2UvNN/VT/21b6X90OKEwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEjq1KtPuSkAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAqTxv2NZgCgAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAqPZffiZ" +
        "sCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAkMrzsR0qTAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAABIpWv1hWGmAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAKQyfcvkP00BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAASGXfvNWTvs5tkrU4bKnzg6yW3LwmtHLW" +
        "pHBAfrvk/nPtGDREvqlJnpsWxJqfINgUxiK5PkyL5CPhD5F8LmwfyY1heiQ/CDMiubBtY7+v/5+WrC/Cln" +
        "vVf75v8/qxlfu9Daf9npncN8ayIu+K/8esc8MDBR8B6huycVADDgA=",
    },
    {
      name: "card.Ex03",
      plain: [
        [384, 1835008, 131072],
        [131472, 1966080, 131072],
        [262560, 2097152, 131072],
        [393648, 2228224, 131072],
        [524736, 2359296, 131072],
        [655824, 2490368, 131072],
      ],
      packed:
        "H4sIAAAAAAACA+3S7WuVZRgA8Oc5O+nxtE0NDswk8EPIkjK3EjdtNJmTOVuW2KAFY6txtBDKojSotYzGej" +
        "myEaZtc5hSkkQapImESVAiZPahoC3WK7WlKL0oIWS1OI9xTo1Of8Dv93Bz3RfcXPd1Xzz1zcsrS5JPBrEw" +
        "DIqCIJjfVFpR+UPTzO1X3r6hPL33+KbBhZm7kl0LiuNjb9dkUjf1Hmh4et6umncPl2w9evXwiW8fjw3teC" +
        "lT9+l1i8+vuHbZm40Pddxzd0XzT58sHzj84TUflB+ovnPb4PvL2jrGR0d+2bdkZOPJqUdembkq+FsY5GuL" +
        "Yu3ESgb/7fWgavamwYe3LC3dvGBG/R8Ha0rK2w49ta22rvjyeX27hlof7fysP/3Fb++kX73Y2VifOXVjed" +
        "8V1eON009tPNK+unvH0I9vzPp+tGPsuT1zq5Z8ea7r+gffOl2xe1F61f1jOzff11Z3c/tHvx/7ZtHKW05/" +
        "3pK62HNh7RMDBzML59+Wen4w1TrrqmynsaiXrn/Ev/q/rED/DeGaxQEAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAJPHz+XZTAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACZzaO2Fr0" +
        "0BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAmEzzd8+cNQUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAABgMsPnnu03BQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGAy63qaekwBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAmMzU+N5juXlRFGvDbGwLirP5xGooUKs6" +
        "HKgsjfZTopgK5oS5Z7qiLB7EJr4g6A1jefnOMJ6X7w+n5OVHw0Re/nGYzMvr493DuffFo/hVmH1H76X3Ta" +
        "yyAu8ZCX+94/iLZ7bseS99ouq1jvUvPLKyfTRx75rcM4ko7o9l68/JqV9coP4NYX9V9/b1WzuXNp5Zt/rl" +
        "lhWP3dp6drxl3+xkWfrSmWlRnFH07/qJAvX7gmll06P9A0X53dT+j3/jZLBh7p+wKHXO8AMMAA==",
    },
  ],
};
