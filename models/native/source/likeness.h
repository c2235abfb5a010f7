// How like the content of items is: the level of a cosine, without reading all of the content.
//
// Row r compares the item asking[r] with the items item[t], t from offsets[r] to offsets[r + 1].
// Their level is the number of edges below the cosine of their content, -1 where either has none.
//
// Content lies there twice: as floats, in rows of length 1, and in 8 bits, x = step * coarse + rest
// with |rest| <= slack. For items a and b, by the triangle inequality,
//
//   |a . b - step_a coarse_a . coarse_b step_b| <= slack_b + slack_a (1 + slack_b)
//
// Where no edge lies so near, the 8 bits tell the level, a quarter of the memory read; elsewhere
// the floats do. The level is that of the floats either way.
#pragma once

#include <cstdint>

namespace intentflow {

// All arguments of a call. models/native/likeness.py mirrors it, field by field.
struct LikenessCall {
  int64_t rows, items, pairs;        // items: rows of the tables
  int64_t dim, coarse_dim;           // floats of a row, a multiple of LANES; bytes, of COARSE
  int64_t edges;
  int64_t threads, instructions;
  const float* content;              // items, dim
  const int8_t* coarse;              // items, coarse_dim: zeros behind dim
  const float *step, *slack;         // of each item; a slack below zero: it has no content
  const int64_t *asking;             // rows
  const int64_t *item, *offsets;     // pairs; rows + 1
  const float* edge;                 // ascending
  int64_t* level;                    // pairs
};

constexpr int64_t COARSE = 32;

// Rows first … last - 1 of a thread, and the asking item's bytes as 16 bits.
struct LikenessShare {
  int64_t first, last;
  int16_t* asking;
};

typedef void (*LikenessKernel)(const LikenessCall&, const LikenessShare&);

LikenessKernel portable_likeness();
#if defined(__x86_64__)
LikenessKernel avx2_likeness();
LikenessKernel avx512_likeness();
#endif

}  // namespace intentflow
