// Runs the programs that reference_impl/programs.py writes: plain tensor operations, in single precision.
// A tensor is {shape, data: Float32Array}, contiguous. Each operation is that of ATen of the same name.
(function (root) {
  "use strict";

  const size = (shape) => shape.reduce((a, b) => a * b, 1);
  const tensor = (shape, data) => ({ shape, data: data || new Float32Array(size(shape)) });
  const full = (shape, value) => tensor(shape, new Float32Array(size(shape)).fill(value));
  const scalar = (x) => (typeof x === "number" || typeof x === "boolean" ? tensor([], Float32Array.of(+x)) : x);
  const strides = (shape) => {
    const out = new Array(shape.length);
    for (let i = shape.length - 1, s = 1; i >= 0; s *= shape[i--]) out[i] = s;
    return out;
  };
  const at = (dim, rank) => (dim < 0 ? dim + rank : dim);

  // The value of each element of `shape`, read from x with the given strides (0 repeats) and offset.
  function read(x, shape, steps, offset = 0) {
    const out = tensor(shape), n = shape.length - 1, index = new Array(n + 1).fill(0), from = x.data, to = out.data;
    const run = n < 0 ? 1 : shape[n], by = n < 0 ? 0 : steps[n];
    for (let i = 0, j = offset; i < to.length;) {
      for (let k = 0, at = j; k < run; k++, at += by) to[i++] = from[at];
      for (let d = n - 1; d >= 0; d--) {
        j += steps[d];
        if (++index[d] < shape[d]) break;
        j -= steps[d] * shape[d];
        index[d] = 0;
      }
    }
    return out;
  }

  function broadcast(x, shape) {
    if (x.shape.length === shape.length && x.shape.every((s, i) => s === shape[i])) return x;
    if (x.data.length === 1) return full(shape, x.data[0]);
    const lead = shape.length - x.shape.length, own = strides(x.shape);
    return read(x, shape, shape.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : own[i - lead])));
  }

  // Element by element. Those that networks spend their time in are loops of their own, which engines compile well.
  const loop = (f) => (x) => { const out = tensor(x.shape); f(x.data, out.data); return out; };
  const unary = (f) => loop((x, out) => { for (let i = 0; i < x.length; i++) out[i] = f(x[i]); });
  const loops = (f) => (a, b, scale = 1) => {
    [a, b] = [scalar(a), scalar(b)];
    const shape = joint(a.shape, b.shape), out = tensor(shape);
    f(broadcast(a, shape).data, broadcast(b, shape).data, out.data, scale);
    return out;
  };
  const binary = (f) => loops((x, y, out) => { for (let i = 0; i < out.length; i++) out[i] = f(x[i], y[i]); });
  function joint(a, b) {
    const n = Math.max(a.length, b.length), out = new Array(n);
    for (let i = 0; i < n; i++) {
      const x = a[a.length - n + i] ?? 1, y = b[b.length - n + i] ?? 1;
      out[i] = x === 1 ? y : x;
    }
    return out;
  }

  // Rows that are to be reduced: x with the dimensions `dims` moved to the end, as [rows, length].
  function rows(x, dims) {
    const n = x.shape.length, gone = new Set((dims && dims.length ? dims : x.shape.map((_, i) => i)).map((d) => at(d, n)));
    const order = [...x.shape.keys()].filter((d) => !gone.has(d)).concat([...gone].sort((a, b) => a - b));
    const length = [...gone].reduce((a, d) => a * x.shape[d], 1);
    return { data: ops.permute(x, order).data, length, keep: x.shape.map((s, d) => (gone.has(d) ? 1 : s)), gone };
  }
  const reduce = (f) => (x, dims, keepdim) => {
    const { data, length, keep, gone } = rows(x, typeof dims === "number" ? [dims] : dims);
    const out = tensor(keepdim ? keep : keep.filter((_, d) => !gone.has(d)));
    for (let i = 0; i < out.data.length; i++) out.data[i] = f(data.subarray(i * length, (i + 1) * length));
    return out;
  };
  const sum = (v) => { let s = 0; for (let i = 0; i < v.length; i++) s += v[i]; return s; };
  const variance = (v, correction) => {
    const mean = sum(v) / v.length;
    let s = 0;
    for (let i = 0; i < v.length; i++) s += (v[i] - mean) ** 2;
    return s / (v.length - correction);
  };

  // ---- matrices: tiles of four rows and eight columns ----

  // WebAssembly for tile(a, b, k): the k columns of a, of four numbers each, times the k rows of b, of eight, from and
  // to bytes of `memory`; the tile goes to its start. Its 32 sums never leave the registers.
  function assembled() {
    const get = (i) => [0x20, i], set = (i) => [0x21, i], four = [0, 1, 2, 3], two = [0, 1];
    const simd = (...code) => [0xfd, ...code], load = simd(0, 4), splat = simd(9, 2), store = simd(11, 4), mul = simd(0xe6, 1), add = simd(0xe4, 1);
    const [a, b, k, one] = [0, 1, 2, 13], right = [11, 12], sum = (r, c) => 3 + 2 * r + c;
    const step = (i, by) => [...get(i), 0x41, by & 127, 0x6a, ...set(i)];
    const body = [
      1, 11, 0x7b,  // locals: eight vectors of sums, two of b, a number of a four times
      3, 0x40,  // repeat
      ...two.flatMap((c) => [...get(b), ...load, 16 * c, ...set(right[c])]),
      ...four.flatMap((r) => [
        ...get(a), ...splat, 4 * r, ...set(one),
        ...two.flatMap((c) => [...get(sum(r, c)), ...get(one), ...get(right[c]), ...mul, ...add, ...set(sum(r, c))]),
      ]),
      ...step(a, 16), ...step(b, 32), ...step(k, -1), ...get(k), 0x0d, 0,  // while k is not 0
      0x0b,
      ...four.flatMap((r) => two.flatMap((c) => [0x41, 0, ...get(sum(r, c)), ...store, 32 * r + 16 * c])),
      0x0b,
    ];
    const long = (n) => [(n & 127) | 128, n >> 7], section = (id, ...bytes) => [id, ...long(bytes.length), ...bytes];
    const exported = (name, ...what) => [name.length, ...[...name].map((c) => c.charCodeAt(0)), ...what];
    return Uint8Array.from([
      0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
      ...section(1, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0), ...section(3, 1, 0), ...section(5, 1, 0, 1),
      ...section(7, 2, ...exported("tile", 0, 0), ...exported("memory", 2, 0)),
      ...section(10, 1, ...long(body.length), ...body),
    ]);
  }
  const tiles = (() => {
    try {
      const { tile, memory } = new WebAssembly.Instance(new WebAssembly.Module(assembled())).exports;
      const made = { tile, numbers: new Float32Array(memory.buffer), assembled: true };
      made.grow = (n) => { memory.grow(Math.ceil((n - made.numbers.length) / 16384)); made.numbers = new Float32Array(memory.buffer); };
      return made;
    } catch {  // where there is none
      const made = { numbers: new Float32Array(16384), assembled: false, grow: (n) => { made.numbers = new Float32Array(n); } };
      made.tile = (a, b, k) => {
        const x = made.numbers.fill(0, 0, 32);
        for (let l = 0, p = a / 4, q = b / 4; l < k; l++, p += 4, q += 8)
          for (let i = 0; i < 32; i++) x[i] += x[p + (i >> 3)] * x[q + (i & 7)];
      };
      return made;
    }
  })();

  // Of numbers that never change, what was packed of them, by where it began.
  const weights = new WeakMap();
  function put(source, at, to, length, pack) {
    const own = weights.get(source), x = tiles.numbers;
    if (own?.has(at)) return x.set(own.get(at), to);
    pack(x);
    if (own) own.set(at, x.slice(to, to + length));
  }

  // (n, k) x (k, m), from places ai and bi into out from `start`, whose rows are `wide` apart.
  function multiply(a, b, n, k, m, out, ai = 0, bi = 0, start = 0, wide = m) {
    if (n === 1 || k < 4) return narrow(a, b, n, k, m, out, ai, bi, start, wide);
    const left = 32, tall = 4 * k * Math.ceil(n / 4), right = left + tall, broad = 8 * k * Math.ceil(m / 8);
    if (tiles.numbers.length < right + broad) tiles.grow(right + broad);
    put(a, ai, left, tall, (x) => {
      for (let i = 0; i < n; i++) for (let l = 0, to = left + 4 * k * (i >> 2) + (i & 3), at = ai + i * k; l < k; l++, to += 4) x[to] = a[at + l];
    });
    put(b, bi, right, broad, (x) => {
      for (let j = 0; j < m; j += 8)
        for (let l = 0, to = right + j * k, at = bi + j, columns = Math.min(8, m - j); l < k; l++, to += 8, at += m) for (let c = 0; c < columns; c++) x[to + c] = b[at + c];
    });
    const x = tiles.numbers, { tile } = tiles;
    for (let j = 0; j < m; j += 8)
      for (let i = 0; i < n; i += 4) {
        tile(4 * (left + i * k), 4 * (right + j * k), k);
        for (let r = 0, columns = Math.min(8, m - j); r < 4 && i + r < n; r++) for (let c = 0, to = start + (i + r) * wide + j; c < columns; c++) out[to + c] = x[8 * r + c];
      }
    return out;
  }
  function narrow(a, b, n, k, m, out, ai, bi, start, wide) {  // a row alone, or short ones
    for (let i = 0, o = start; i < n; i++, o += wide)
      for (let l = 0, q = bi; l < k; l++, q += m) {
        const x = a[ai + i * k + l];
        if (l === 0) for (let j = 0; j < m; j++) out[o + j] = x * b[q + j];
        else for (let j = 0; j < m; j++) out[o + j] += x * b[q + j];
      }
    return out;
  }

  function normalize(x, groups, length, eps, scale, shift, channel) {
    const out = tensor(x.shape);
    for (let g = 0; g < groups; g++) {
      const part = x.data.subarray(g * length, (g + 1) * length), mean = sum(part) / length;
      const by = 1 / Math.sqrt(variance(part, 0) + eps);
      for (let i = 0; i < length; i++) {
        const c = channel(g, i);
        out.data[g * length + i] = (part[i] - mean) * by * (scale ? scale.data[c] : 1) + (shift ? shift.data[c] : 0);
      }
    }
    return out;
  }

  function convolution(x, w, b, stride, padding, dilation, transposed, extra, groups) {
    const [n, ci, h, v] = x.shape, [kh, kw] = w.shape.slice(2), [sh, sv] = stride, [ph, pv] = padding, [dh, dv] = dilation;
    const co = transposed ? w.shape[1] * groups : w.shape[0], gi = ci / groups, go = co / groups;
    const oh = transposed ? (h - 1) * sh - 2 * ph + dh * (kh - 1) + extra[0] + 1 : Math.floor((h + 2 * ph - dh * (kh - 1) - 1) / sh) + 1;
    const ov = transposed ? (v - 1) * sv - 2 * pv + dv * (kw - 1) + extra[1] + 1 : Math.floor((v + 2 * pv - dv * (kw - 1) - 1) / sv) + 1;
    const out = tensor([n, co, oh, ov]), strip = Math.max(1, Math.floor(128 / ov)), seen = new Float32Array(transposed ? 0 : gi * kh * kw * strip * ov);
    for (let m = 0; m < n; m++)
      for (let g = 0; g < groups; g++) {
        const from = (m * ci + g * gi) * h * v, to = (m * co + g * go) * oh * ov;
        if (transposed) spread(from, to, g * gi);
        else for (let top = 0; top < oh; top += strip) gather(from, to, g * go, top, Math.min(strip, oh - top));
      }
    if (b) for (let i = 0, c = 0; i < out.data.length; c = (c + 1) % co) for (let k = 0; k < oh * ov; k++) out.data[i++] += b.data[c];
    return out;

    // For some rows of output: what each place of the kernel sees as a row of a matrix, times that of the weights.
    function gather(from, to, first, top, tall) {
      seen.fill(0);
      for (let i = 0, at = 0; i < gi; i++)
        for (let a = 0; a < kh; a++)
          for (let c = 0; c < kw; c++)
            for (let r = 0; r < tall; r++, at += ov) {
              const y = (top + r) * sh + a * dh - ph, shift = c * dv - pv;
              if (y < 0 || y >= h) continue;
              const low = Math.max(0, Math.ceil(-shift / sv)), high = Math.min(ov, Math.floor((v - 1 - shift) / sv) + 1);
              for (let q = low, p = from + (i * h + y) * v + shift + low * sv; q < high; q++, p += sv) seen[at + q] = x.data[p];
            }
      multiply(w.data, seen, go, gi * kh * kw, tall * ov, out.data, first * gi * kh * kw, 0, to + top * ov, oh * ov);
    }
    function spread(from, to, first) {  // each input adds the kernel to the output
      for (let i = 0; i < gi; i++)
        for (let o = 0; o < go; o++)
          for (let a = 0; a < kh; a++)
            for (let c = 0; c < kw; c++) {
              const k = w.data[(((first + i) * go + o) * kh + a) * kw + c];
              for (let r = 0, y = a * dh - ph; r < h; r++, y += sh) {
                if (y < 0 || y >= oh) continue;
                for (let q = 0, z = c * dv - pv; q < v; q++, z += sv)
                  if (z >= 0 && z < ov) out.data[to + (o * oh + y) * ov + z] += k * x.data[from + (i * h + r) * v + q];
              }
            }
    }
  }

  // An output position's place among the inputs, for interpolation between pixels' centers (or corners).
  const places = (input, output, corners) => Array.from({ length: output }, (_, i) => {
    const x = corners ? (output > 1 ? (i * (input - 1)) / (output - 1) : 0) : Math.max(0, ((i + 0.5) * input) / output - 0.5);
    const low = Math.min(Math.floor(x), input - 1);
    return [low, Math.min(low + 1, input - 1), x - low];
  });
  const scaled = (x, sizes, scales) => (sizes ? sizes : x.shape.slice(2).map((s, i) => Math.floor(s * scales[i])));

  function erf(x) {  // by its series, and by its continued fraction where that is slow: to single precision
    const y = Math.abs(x);
    if (y < 3) {
      let term = y, s = y;
      for (let k = 1; k < 60; k++) s += (term *= (-y * y) / k) / (2 * k + 1);
      return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * s;
    }
    let f = 0;
    for (let k = 30; k > 0; k--) f = k / 2 / (y + f);
    return Math.sign(x) * (1 - Math.exp(-y * y) / Math.sqrt(Math.PI) / (y + f));
  }

  const ops = {
    add: loops((x, y, out, s) => { for (let i = 0; i < out.length; i++) out[i] = x[i] + s * y[i]; }),
    sub: loops((x, y, out, s) => { for (let i = 0; i < out.length; i++) out[i] = x[i] - s * y[i]; }),
    mul: loops((x, y, out) => { for (let i = 0; i < out.length; i++) out[i] = x[i] * y[i]; }),
    div: binary((a, b) => a / b), pow: binary((a, b) => a ** b),
    maximum: binary((a, b) => Math.max(a, b)), minimum: binary((a, b) => Math.min(a, b)),
    eq: binary((a, b) => +(a === b)), ne: binary((a, b) => +(a !== b)), lt: binary((a, b) => +(a < b)),
    le: binary((a, b) => +(a <= b)), gt: binary((a, b) => +(a > b)), ge: binary((a, b) => +(a >= b)),
    bitwise_and: binary((a, b) => a & b), bitwise_or: binary((a, b) => a | b), bitwise_not: unary((a) => +!a),  // of truth
    logical_not: unary((a) => +!a), any: (x, dims, keepdim) => reduce((v) => +v.some((a) => a))(x, dims, keepdim),
    neg: unary((a) => -a), abs: unary(Math.abs), sign: unary(Math.sign), exp: unary(Math.exp), log: unary(Math.log),
    sqrt: unary(Math.sqrt), rsqrt: unary((a) => 1 / Math.sqrt(a)), reciprocal: unary((a) => 1 / a),
    sin: unary(Math.sin), cos: unary(Math.cos), tanh: unary(Math.tanh), floor: unary(Math.floor), round: unary(even),
    expm1: unary(Math.expm1), log1p: unary(Math.log1p), erf: unary(erf),
    relu: loop((x, out) => { for (let i = 0; i < x.length; i++) out[i] = Math.max(x[i], 0); }),
    sigmoid: loop((x, out) => { for (let i = 0; i < x.length; i++) out[i] = 1 / (1 + Math.exp(-x[i])); }),
    leaky_relu: (x, slope) => unary((a) => (a > 0 ? a : a * slope))(x),
    elu: (x, alpha, scale, input) => unary((a) => scale * (a > 0 ? a : alpha * Math.expm1(a * input)))(x),
    gelu: (x, kind) => unary(kind === "tanh"
      ? (a) => 0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3)))
      : (a) => 0.5 * a * (1 + erf(a / Math.SQRT2)))(x),
    clamp: (x, low, high) => unary((a) => Math.min(Math.max(a, low ?? -Infinity), high ?? Infinity))(x),
    where: (c, a, b) => {
      [a, b] = [scalar(a), scalar(b)];
      const shape = joint(c.shape, joint(a.shape, b.shape)), [k, x, y] = [c, a, b].map((t) => broadcast(t, shape).data);
      return tensor(shape, x.map((v, i) => (k[i] ? v : y[i])));
    },
    complex_mul: (a, b) => {  // pairs of real and imaginary part in the last dimension
      const shape = joint(a.shape, b.shape), x = broadcast(a, shape).data, y = broadcast(b, shape).data, out = tensor(shape);
      for (let i = 0; i < out.data.length; i += 2) {
        out.data[i] = x[i] * y[i] - x[i + 1] * y[i + 1];
        out.data[i + 1] = x[i] * y[i + 1] + x[i + 1] * y[i];
      }
      return out;
    },

    sum: reduce(sum), mean: reduce((v) => sum(v) / v.length), amax: reduce((v) => v.reduce((a, b) => Math.max(a, b))),
    amin: reduce((v) => v.reduce((a, b) => Math.min(a, b))),
    var: (x, dims, correction, keepdim) => reduce((v) => variance(v, correction ?? 1))(x, dims, keepdim),
    argmax: (x, dim, keepdim) => reduce((v) => v.indexOf(v.reduce((a, b) => Math.max(a, b))))(x, dim === null ? null : [dim], keepdim),
    cumsum: (x, dim) => along(x, dim, (v) => { for (let i = 1; i < v.length; i++) v[i] += v[i - 1]; }),
    _softmax: (x, dim) => along(x, dim, (v) => {
      const top = v.reduce((a, b) => Math.max(a, b));
      let s = 0;
      for (let i = 0; i < v.length; i++) s += v[i] = Math.exp(v[i] - top);
      for (let i = 0; i < v.length; i++) v[i] /= s;
    }),
    _log_softmax: (x, dim) => along(x, dim, (v) => {
      const top = v.reduce((a, b) => Math.max(a, b)), s = Math.log(v.reduce((a, b) => a + Math.exp(b - top), 0)) + top;
      for (let i = 0; i < v.length; i++) v[i] -= s;
    }),
    native_layer_norm: (x, shape, scale, shift, eps) => normalize(x, size(x.shape) / size(shape), size(shape), eps, scale, shift, (g, i) => i),
    native_group_norm: (x, scale, shift, n, c, hw, groups, eps) => {
      const own = c / groups;
      return normalize(x, n * groups, own * hw, eps, scale, shift, (g, i) => (g % groups) * own + Math.floor(i / hw));
    },

    _native_batch_norm_legit_no_training: (x, scale, shift, mean, variance, momentum, eps) => {
      const c = x.shape[1], inner = size(x.shape.slice(2)), out = tensor(x.shape);
      for (let i = 0; i < out.data.length; i++) {
        const k = Math.floor(i / inner) % c;
        out.data[i] = ((x.data[i] - mean.data[k]) / Math.sqrt(variance.data[k] + eps)) * (scale ? scale.data[k] : 1) + (shift ? shift.data[k] : 0);
      }
      return out;
    },

    mm: (a, b) => tensor([a.shape[0], b.shape[1]], multiply(a.data, b.data, ...a.shape, b.shape[1], new Float32Array(a.shape[0] * b.shape[1]))),
    addmm: (bias, a, b, beta = 1, alpha = 1) => ops.add(beta === 1 ? bias : ops.mul(bias, beta), ops.mm(a, b), alpha),
    bmm: (a, b) => {
      const [s, n, k] = a.shape, m = b.shape[2], out = tensor([s, n, m]);
      for (let i = 0; i < s; i++) multiply(a.data, b.data, n, k, m, out.data, i * n * k, i * k * m, i * n * m);
      return out;
    },
    convolution,
    embedding: (w, index) => {
      const d = w.shape[1], out = tensor([...index.shape, d]);
      index.data.forEach((row, i) => out.data.set(w.data.subarray(row * d, (row + 1) * d), i * d));
      return out;
    },

    view: (x, shape) => {
      const known = shape.reduce((a, s) => (s < 0 ? a : a * s), 1);
      return tensor(shape.map((s) => (s < 0 ? x.data.length / known : s)), x.data);
    },
    unsqueeze: (x, dim) => tensor([...x.shape.slice(0, at(dim, x.shape.length + 1)), 1, ...x.shape.slice(at(dim, x.shape.length + 1))], x.data),
    squeeze: (x, dims) => tensor(x.shape.filter((s, d) => !(s === 1 && [dims].flat().map((i) => at(i, x.shape.length)).includes(d))), x.data),
    permute: (x, order) => {
      const own = strides(x.shape), to = order.map((d) => at(d, x.shape.length));
      return read(x, to.map((d) => x.shape[d]), to.map((d) => own[d]));
    },
    expand: (x, shape) => broadcast(x, shape.map((s, i) => (s < 0 ? x.shape[x.shape.length - shape.length + i] : s))),
    slice: (x, dim, start, end, step = 1) => {
      const d = at(dim, x.shape.length), n = x.shape[d], own = strides(x.shape);
      const clip = (i, other) => Math.min(Math.max(i == null ? other : i < 0 ? i + n : i, 0), n), first = clip(start, 0);
      const shape = x.shape.slice();
      shape[d] = Math.max(0, Math.ceil((clip(end, n) - first) / step));
      if (step === 1) {  // whole runs of numbers
        const out = tensor(shape), inner = size(shape.slice(d + 1)), length = shape[d] * inner;
        for (let o = 0, from = first * inner; o < out.data.length; o += length, from += n * inner) out.data.set(x.data.subarray(from, from + length), o);
        return out;
      }
      return read(x, shape, own.map((s, i) => (i === d ? s * step : s)), first * own[d]);
    },
    select: (x, dim, index) => {
      const d = at(dim, x.shape.length), i = at(index, x.shape[d]), shape = x.shape.filter((_, k) => k !== d);
      return tensor(shape, ops.slice(x, d, i, i + 1).data);
    },
    cat: (parts, dim) => {
      const d = at(dim, parts[0].shape.length), shape = parts[0].shape.slice(), inner = size(shape.slice(d + 1));
      shape[d] = parts.reduce((a, p) => a + p.shape[d], 0);
      const out = tensor(shape), outer = size(shape.slice(0, d));
      for (let o = 0, to = 0; o < outer; o++)
        for (const p of parts) {
          const length = p.shape[d] * inner;
          out.data.set(p.data.subarray(o * length, (o + 1) * length), to);
          to += length;
        }
      return out;
    },
    index: (x, indices) => {  // an index tensor or null for each of the first dimensions, broadcast together
      const own = strides(x.shape), given = indices.flatMap((t, d) => (t ? [d] : [])), shape = given.map((d) => indices[d].shape).reduce(joint);
      const picked = new Array(size(shape)).fill(0);
      for (const d of given) broadcast(indices[d], shape).data.forEach((v, i) => { picked[i] += at(v, x.shape[d]) * own[d]; });
      // they stand where the first of them stood, or at the front if others lie between them
      const rest = [...x.shape.keys()].filter((d) => !given.includes(d)), adjacent = given.every((d, i) => d === given[0] + i);
      const before = rest.filter((d) => adjacent && d < given[0]), after = rest.slice(before.length), sizes = (dims) => dims.map((d) => x.shape[d]);
      const places = (dims) => dims.reduce((all, d) => all.flatMap((o) => Array.from({ length: x.shape[d] }, (_, i) => o + i * own[d])), [0]);
      const out = tensor([...sizes(before), ...shape, ...sizes(after)]), inner = places(after);
      let to = 0;
      for (const o of places(before)) for (const p of picked) for (let i = 0; i < inner.length; i++) out.data[to++] = x.data[o + p + inner[i]];
      return out;
    },
    full_like: (x, value) => full(x.shape, value),
    constant_pad_nd: (x, pad, value) => {
      const n = x.shape.length, low = (d) => pad[2 * (n - 1 - d)] ?? 0, high = (d) => pad[2 * (n - 1 - d) + 1] ?? 0;
      const shape = x.shape.map((s, d) => s + low(d) + high(d)), out = full(shape, value ?? 0), to = strides(shape), own = strides(x.shape);
      for (let i = 0; i < x.data.length; i++) {
        let j = 0, inside = true;
        for (let d = 0; d < n; d++) {
          const k = (Math.floor(i / own[d]) % x.shape[d]) + low(d);
          inside &&= k >= 0 && k < shape[d];
          j += k * to[d];
        }
        if (inside) out.data[j] = x.data[i];
      }
      return out;
    },

    upsample_nearest2d: (x, sizes, scales) => {
      const [n, c, h, w] = x.shape, [oh, ow] = scaled(x, sizes, scales), out = tensor([n, c, oh, ow]);
      for (let i = 0, o = 0; i < n * c; i++)
        for (let r = 0; r < oh; r++)
          for (let q = 0; q < ow; q++) out.data[o++] = x.data[(i * h + Math.floor((r * h) / oh)) * w + Math.floor((q * w) / ow)];
      return out;
    },
    upsample_bilinear2d: (x, sizes, corners, scales) => {
      const [n, c, h, w] = x.shape, [oh, ow] = scaled(x, sizes, scales), out = tensor([n, c, oh, ow]);
      const down = places(h, oh, corners), along = places(w, ow, corners);
      for (let i = 0, o = 0; i < n * c; i++)
        for (const [r, s, a] of down)
          for (const [p, q, b] of along) {
            const v = (y, z) => x.data[(i * h + y) * w + z];
            out.data[o++] = (1 - a) * ((1 - b) * v(r, p) + b * v(r, q)) + a * ((1 - b) * v(s, p) + b * v(s, q));
          }
      return out;
    },
    avg_pool2d: (x, kernel, stride, padding = [0, 0]) => {
      const [kh, kw] = kernel, [sh, sw] = stride && stride.length ? stride : kernel, [ph, pw] = padding, [n, c, h, w] = x.shape;
      const oh = Math.floor((h + 2 * ph - kh) / sh) + 1, ow = Math.floor((w + 2 * pw - kw) / sw) + 1, out = tensor([n, c, oh, ow]);
      for (let i = 0, o = 0; i < n * c; i++)
        for (let r = 0; r < oh; r++)
          for (let q = 0; q < ow; q++, o++) {
            for (let a = 0; a < kh; a++)
              for (let b = 0; b < kw; b++) {
                const y = r * sh + a - ph, z = q * sw + b - pw;
                if (y >= 0 && y < h && z >= 0 && z < w) out.data[o] += x.data[(i * h + y) * w + z];
              }
            out.data[o] /= kh * kw;
          }
      return out;
    },
  };

  function even(a) {  // to the nearest whole number, halves to the even one
    const r = Math.round(a);
    return Math.abs(a - Math.trunc(a)) === 0.5 ? 2 * Math.round(a / 2) : r;
  }
  function along(x, dim, f) {  // f changes each line along a dimension in place
    const n = x.shape.length, d = at(dim, n), order = [...x.shape.keys()].filter((i) => i !== d).concat(d);
    const moved = ops.permute(x, order), length = x.shape[d] ?? 1, back = order.map((_, i) => order.indexOf(i));
    for (let i = 0; i < moved.data.length; i += length) f(moved.data.subarray(i, i + length));
    return ops.permute(moved, back);
  }

  const halves = (() => {  // all numbers of half precision: 2^(e - 15) (1 + f/1024), and below them those without the 1
    const table = new Float32Array(65536);
    for (let e = 0, scale = 2 ** -14; e < 32; e++, scale *= e > 1 ? 2 : 1)
      for (let f = 0; f < 1024; f++) {
        const i = (e << 10) | f;
        table[i] = e === 31 ? (f ? NaN : Infinity) : scale * ((e > 0) + f / 1024);
        table[i | 0x8000] = -table[i];
      }
    return table;
  })();
  function base64(text) {
    const from = atob(text), bytes = new Uint8Array(from.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = from.charCodeAt(i);
    return bytes;
  }

  // A program, ready to run: f(...inputs) -> outputs. Inputs are tensors or plain arrays; outputs are tensors.
  function load(program) {
    const bytes = base64(program.data);
    const stored = program.tensors.map(({ shape, offset, name, fill }) => {  // parameters have names and are in half precision
      const n = size(shape);
      if (fill !== undefined) return full(shape, fill);
      if (!name) return tensor(shape, new Float32Array(bytes.buffer.slice(offset, offset + 4 * n)));
      const out = tensor(shape), bits = new Uint16Array(bytes.buffer, offset, n);
      for (let i = 0; i < n; i++) out.data[i] = halves[bits[i]];
      return out;
    });
    const unknown = program.steps.map(([name]) => name).filter((name) => !(name in ops));
    if (unknown.length) throw new Error(`net.js has no operation ${[...new Set(unknown)].join(", ")}`);
    const fetch = (a, values) => {
      if (Array.isArray(a)) return a.map((b) => fetch(b, values));
      return a && a.$ !== undefined ? values[a.$] : a && a["#"] ? Number(a["#"].replace("inf", "Infinity")) : a;
    };
    function done([name, args, shape], values) {
      const out = ops[name](...args.map((a) => fetch(a, values)));
      return name.startsWith("complex_") ? out : tensor(shape, out.data);
    }
    // What does not depend on the inputs is worked out here, and a step that was done before is not repeated.
    const known = [...program.inputs.map(() => null), ...stored], earlier = new Map(), first = known.length;
    const todo = [];
    program.steps.forEach((step, i) => {
      const key = JSON.stringify(step.slice(0, 2)), uses = [...key.matchAll(/"\$":(\d+)/g)].map((m) => +m[1]);
      if (earlier.has(key)) todo.push([first + i, earlier.get(key)]);
      else if (uses.every((u) => known[u])) known[first + i] = done(step, known);
      else todo.push([first + i, step]);
      if (!earlier.has(key)) earlier.set(key, first + i);
    });
    for (const t of known) if (t) weights.set(t.data, new Map());

    function* run(inputs) {  // stops after each step
      const values = [...known];
      inputs.forEach((x, i) => {
        values[i] = x.shape ? x : tensor(program.inputs[i], Float32Array.from(x));
        if (values[i].data.length !== size(program.inputs[i])) throw new Error(`input ${i} has ${values[i].data.length} numbers, not ${program.inputs[i].join(" x ")}`);
      });
      for (const [i, step] of todo) {
        values[i] = typeof step === "number" ? values[step] : done(step, values);
        yield;
      }
      return program.outputs.map((i) => values[i]);
    }
    function made(...inputs) {
      for (const going = run(inputs); ;) { const { done, value } = going.next(); if (done) return value; }
    }
    // The same for long programs: awaits turn() after each step, so that the page can answer meanwhile.
    made.patiently = async (turn, ...inputs) => {
      for (const going = run(inputs); ; await turn()) { const { done, value } = going.next(); if (done) return value; }
    };
    return made;
  }

  // Standard normal numbers from a seed: Mulberry32 and the method of Box and Muller.
  function normal(seed) {
    let s = seed >>> 0;
    const uniform = () => {
      s = (s + 0x6d2b79f5) >>> 0;
      let t = Math.imul(s ^ (s >>> 15), 1 | s);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    const draw = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    draw.uniform = uniform;
    return draw;
  }

  const api = { load, ops, tensor, normal, assembled: tiles.assembled };
  if (typeof module === "object") module.exports = api;
  else root.Net = api;
})(typeof self === "undefined" ? this : self);
