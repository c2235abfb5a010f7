// AVX-512: 32 registers of 16 floats.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>

#include "head_attention.h"
#include "likeness.h"
#include "target_attention.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#define WIDTH 16
#define TILE_ROWS 6
#define TILE_VECTORS 4
#define KEY_ROWS 12
#define KEY_VECTORS 2
#define HEAD_KEYS 4
#define HEAD_VECTORS 4
#include "vectors.inc"

namespace intentflow {
namespace {

INLINE void put_bits(uint8_t* to, Vector value) {
  const __mmask16 bits = _mm512_cmp_ps_mask((__m512)value, _mm512_setzero_ps(), _CMP_NLE_UQ);
  *reinterpret_cast<__mmask16*>(to) = bits;
}

INLINE Vector selected(const uint8_t* bits, Vector value) {
  const __mmask16 mask = *reinterpret_cast<const __mmask16*>(bits);
  return (Vector)_mm512_maskz_mov_ps(mask, (__m512)value);
}

INLINE int32_t coarse_dot(const int16_t* left, const int8_t* right, int64_t width) {
  __m512i sum = _mm512_setzero_si512();
  for (int64_t d = 0; d < width; d += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right + d));
    const __m512i both = _mm512_madd_epi16(_mm512_loadu_si512(left + d), _mm512_cvtepi8_epi16(bytes));
    sum = _mm512_add_epi32(sum, both);
  }
  int32_t parts[16], whole = 0;
  _mm512_storeu_si512(parts, sum);
  for (const int32_t part : parts) whole += part;
  return whole;
}

// Pairs of vectors are added up crosswise, then pairs of these sums, and so on. With masks that take
// everything, for GCC 12 warns of the others.
INLINE void totals(const Vector (&sums)[16], float* to) {
  constexpr __mmask16 ALL = 0xFFFF;
  __m512d fours[4];
  for (int i = 0; i < 4; ++i) {
    __m512d pairs[2];
    for (int j = 0; j < 2; ++j) {
      const __m512 left = (__m512)sums[4 * i + 2 * j], right = (__m512)sums[4 * i + 2 * j + 1];
      pairs[j] = (__m512d)(_mm512_maskz_unpacklo_ps(ALL, left, right) +
                           _mm512_maskz_unpackhi_ps(ALL, left, right));
    }
    fours[i] = (__m512d)((__m512)_mm512_maskz_unpacklo_pd(0xFF, pairs[0], pairs[1]) +
                         (__m512)_mm512_maskz_unpackhi_pd(0xFF, pairs[0], pairs[1]));
  }
  __m512 eights[2];
  for (int i = 0; i < 2; ++i) {
    const __m512 left = (__m512)fours[2 * i], right = (__m512)fours[2 * i + 1];
    eights[i] = _mm512_maskz_shuffle_f32x4(ALL, left, right, 0x44) +
                _mm512_maskz_shuffle_f32x4(ALL, left, right, 0xEE);
  }
  _mm512_storeu_ps(to, _mm512_maskz_shuffle_f32x4(ALL, eights[0], eights[1], 0x88) +
                           _mm512_maskz_shuffle_f32x4(ALL, eights[0], eights[1], 0xDD));
}

}  // namespace
}  // namespace intentflow

#include "forward.inc"
#include "backward.inc"
#include "head_attention.inc"
#include "likeness.inc"

namespace intentflow {
Kernels avx512_kernels() { return {forward, backward}; }
HeadKernels avx512_head_kernels() { return {head_forward, head_backward}; }
LikenessKernel avx512_likeness() { return likeness; }
}  // namespace intentflow
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
