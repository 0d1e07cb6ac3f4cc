"""The papers whose data engines run here, and those behind the bounds: to be cited."""

from __future__ import annotations

from typing import Final

SAM2: Final = "Ravi et al., 2024"
SAM3: Final = "Carion et al., 2025"

SAM2_BIBTEX: Final = r"""@article{ravi2024sam2,
  title   = {{SAM 2}: Segment Anything in Images and Videos},
  author  = {Ravi, Nikhila and Gabeur, Valentin and Hu, Yuan-Ting and Hu, Ronghang and Ryali,
             Chaitanya and Ma, Tengyu and Khedr, Haitham and R{\"a}dle, Roman and Rolland, Chloe
             and Gustafson, Laura and Mintun, Eric and Pan, Junting and Alwala, Kalyan Vasudev
             and Carion, Nicolas and Wu, Chao-Yuan and Girshick, Ross and Doll{\'a}r, Piotr and
             Feichtenhofer, Christoph},
  journal = {arXiv preprint arXiv:2408.00714},
  year    = {2024}
}"""
SAM3_BIBTEX: Final = r"""@article{carion2025sam3,
  title   = {{SAM 3}: Segment Anything with Concepts},
  author  = {Carion, Nicolas and Gustafson, Laura and Hu, Yuan-Ting and Debnath, Shoubhik and
             Hu, Ronghang and Suris, Didac and Ryali, Chaitanya and Alwala, Kalyan Vasudev and
             Khedr, Haitham and Huang, Andrew and Lei, Jie and Ma, Tengyu and Guo, Baishan and
             Kalla, Arpit and Marks, Markus and Greer, Joseph and Wang, Meng and Sun, Peize and
             R{\"a}dle, Roman and Afouras, Triantafyllos and Mavroudi, Effrosyni and Xu,
             Katherine and Wu, Tsung-Han and Zhou, Yu and Momeni, Liliane and Hazra, Rishi and
             Ding, Shuangrui and Vaze, Sagar and Porcher, Francois and Li, Feng and Li, Siyuan
             and Kamath, Aishwarya and Cheng, Ho Kei and Doll{\'a}r, Piotr and Ravi, Nikhila and
             Saenko, Kate and Zhang, Pengchuan and Feichtenhofer, Christoph},
  journal = {arXiv preprint arXiv:2511.16719},
  year    = {2025}
}"""
