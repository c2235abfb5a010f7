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
