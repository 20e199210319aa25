// Runs the programs that reference_impl/programs.py writes: plain tensor operations, in single precision.
// A tensor is {shape, data: Float32Array}, contiguous. Each operation is that of ATen of the same name.
(function (root) {
  "use strict";

  const size = (shape) => shape.reduce((a, b) => a * b, 1);
  // Arrays that a program no longer needs, by length. They are used again, as they are: what is not written in full
  // begins with `full`.
  const spare = new Map();
  const numbers = (n) => spare.get(n)?.pop() || new Float32Array(n);
  const give = (data) => spare.get(data.length)?.push(data) || spare.set(data.length, [data]);
  const tensor = (shape, data) => ({ shape, data: data || numbers(size(shape)) });
  const full = (shape, value) => tensor(shape, numbers(size(shape)).fill(value));
  const scalar = (x) => (typeof x === "number" || typeof x === "boolean" ? tensor([], Float32Array.of(+x)) : x);
  const strides = (shape) => {
    const out = new Array(shape.length);
    for (let i = shape.length - 1, s = 1; i >= 0; s *= shape[i--]) out[i] = s;
    return out;
  };
  const at = (dim, rank) => (dim < 0 ? dim + rank : dim);

  function copy(from, at, to, start, length) {
    if (length > 32) to.set(from.subarray(at, at + length), start);
    else for (let i = 0; i < length; i++) to[start + i] = from[at + i];  // sooner than a view is made
  }

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
    const lead = shape.length - x.shape.length, own = strides(x.shape), n = x.data.length;
    if (n > 32 && x.shape.every((s, i) => s === shape[i + lead])) {  // the whole of it again and again
      const out = tensor(shape);
      for (let i = 0; i < out.data.length; i += n) out.data.set(x.data, i);
      return out;
    }
    return read(x, shape, shape.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : own[i - lead])));
  }

  // Element by element. Those that networks spend their time in are loops of their own, which engines compile well.
  const loop = (f) => (x) => { const out = tensor(x.shape); f(x.data, out.data); return out; };
  const unary = (f) => loop((x, out) => { for (let i = 0; i < x.length; i++) out[i] = f(x[i]); });
  const loops = (f) => (a, b, scale = 1) => {
    [a, b] = [scalar(a), scalar(b)];
    const shape = joint(a.shape, b.shape), [x, y] = [broadcast(a, shape), broadcast(b, shape)], out = tensor(shape);
    f(x.data, y.data, out.data, scale);
    if (x !== a) give(x.data);
    if (y !== b) give(y.data);
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
    for (let i = 0; i < v.length; i++) s += (v[i] - mean) * (v[i] - mean);
    return s / (v.length - correction);
  };

  // ---- matrices: tiles of four rows and eight columns ----

  // WebAssembly on bytes of `memory`. product(a, wide, b, table, k, out, apart): four rows of a, `wide` apart, times
  // the k rows of b of eight numbers, which begin where `table` says beyond b; the sums, which never leave the
  // registers, go to out, its rows `apart`. add, mul, ... (x, y, n): n bytes of x become x + y ..., four numbers at a time.
  function assembled() {
    const get = (i) => [0x20, i], set = (i) => [0x21, i], simd = (...code) => [0xfd, ...code], four = [0, 1, 2, 3], two = [0, 1];
    const long = (n) => [(n & 127) | 128, (n >> 7) & 127], int = (n) => [0x41, ...long(n)], step = (i, by) => [...get(i), ...by, 0x6a, ...set(i)];
    const load = simd(0, 0), store = simd(11, 0), [add, sub, mul, div, low, high] = [0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9].map((c) => simd(c, 1));
    const each = (x) => simd(12, ...Array(4).fill([...new Uint8Array(Float32Array.of(x).buffer)]).flat());
    const [a, wide, b, table, k, out, apart, row, one] = [0, 1, 2, 3, 4, 5, 6, 7, 18], right = [16, 17], sum = (r, c) => 8 + 2 * r + c;
    const product = [
      2, 1, 0x7f, 11, 0x7b,  // locals: a place; eight vectors of sums, two of b, a number of a four times
      3, 0x40,  // repeat
      ...get(b), ...get(table), 0x28, 2, 0, 0x6a, ...set(row),
      ...two.flatMap((c) => [...get(row), ...load, 16 * c, ...set(right[c])]),
      ...get(a), ...set(row),
      ...four.flatMap((r) => [
        ...get(row), ...simd(9, 0), 0, ...set(one),
        ...two.flatMap((c) => [...get(sum(r, c)), ...get(one), ...get(right[c]), ...mul, ...add, ...set(sum(r, c))]),
        ...(r < 3 ? step(row, get(wide)) : []),
      ]),
      ...step(a, int(4)), ...step(table, int(4)), ...step(k, [0x41, 127]), ...get(k), 0x0d, 0,  // while k is not 0
      0x0b,
      ...four.flatMap((r) => [...two.flatMap((c) => [...get(out), ...get(sum(r, c)), ...store, 16 * c]), ...step(out, get(apart))]),
      0x0b,
    ];
    const [x, y, n, t, e] = [0, 1, 2, 3, 4], given = [x, y].flatMap((i) => [...get(i), ...load, 0]);
    const through = (value) => [
      1, 2, 0x7b, 3, 0x40, ...get(x), ...value, ...store, 0,
      ...step(x, int(16)), ...step(y, int(16)), ...step(n, [0x41, 0x70]), ...get(n), ...int(0), 0x4a, 0x0d, 0,  // while n is above 0
      0x0b, 0x0b,
    ];
    // 1 / (1 + exp t) for t = -x, where exp t = 2^e exp(t - e log 2), by a short series
    const sigmoid = [
      ...get(x), ...load, 0, ...simd(0xe1, 1), ...each(-87), ...high, ...each(88), ...low, ...set(t),
      ...get(t), ...each(Math.LOG2E), ...mul, ...simd(0x6a), ...set(e),
      ...get(t), ...[0.693359375, Math.LN2 - 0.693359375].flatMap((c) => [...get(e), ...each(c), ...mul, ...sub]), ...set(t),
      ...each(1 / 720), ...[120, 24, 6, 2, 1, 1].flatMap((f) => [...get(t), ...mul, ...each(1 / f), ...add]),
      ...get(e), ...simd(0xf8, 1), ...int(127), ...simd(17), ...simd(0xae, 1), ...int(23), ...simd(0xab, 1), ...mul, ...set(t),
      ...each(1), ...each(1), ...get(t), ...add, ...div,
    ];
    const bodies = { product, sigmoid: through(sigmoid), add: through([...given, ...add]), sub: through([...given, ...sub]), mul: through([...given, ...mul]) };
    const section = (id, ...bytes) => [id, ...long(bytes.length), ...bytes], type = (n) => [0x60, n, ...Array(n).fill(0x7f), 0];
    const exported = (name, ...what) => [name.length, ...[...name].map((c) => c.charCodeAt(0)), ...what], names = Object.keys(bodies);
    return Uint8Array.from([
      0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
      ...section(1, 2, ...type(7), ...type(3)), ...section(3, names.length, ...names.map((_, i) => +(i > 0))), ...section(5, 1, 0, 1),
      ...section(7, names.length + 1, ...exported("memory", 2, 0), ...names.flatMap((name, i) => exported(name, 0, i))),
      ...section(10, names.length, ...Object.values(bodies).flatMap((body) => [...long(body.length), ...body])),
    ]);
  }
  const unit = (() => {
    const made = {}, view = (buffer) => { [made.numbers, made.places] = [new Float32Array(buffer), new Int32Array(buffer)]; };
    try {
      const { memory, ...does } = new WebAssembly.Instance(new WebAssembly.Module(assembled())).exports;
      Object.assign(made, does);
      made.grow = (n) => { memory.grow(Math.ceil((n - made.numbers.length) / 16384)); view(memory.buffer); };
      view(memory.buffer);
    } catch {  // where there is none
      made.grow = (n) => view(new ArrayBuffer(4 * n));
      made.grow(16384);
      made.product = (a, wide, b, table, k, out, apart) => {
        const x = made.numbers, sums = new Float32Array(32);
        for (let l = 0; l < k; l++)
          for (let i = 0, q = (b + made.places[table / 4 + l]) / 4; i < 32; i++) sums[i] += x[(a + (i >> 3) * wide) / 4 + l] * x[q + (i & 7)];
        for (let i = 0; i < 32; i++) x[(out + (i >> 3) * apart) / 4 + (i & 7)] = sums[i];
      };
    }
    return made;
  })();
  const whole = (n, of) => Math.ceil(n / of) * of;

  // f(x, y, out); of many numbers by what the unit has of that name.
  const swift = (name, f) => (x, y, out, scale = 1) => {
    const n = out.length, second = whole(n, 4);
    if (!unit[name] || n < 64 || scale !== 1) return f(x, y, out, scale);
    if (unit.numbers.length < 2 * second) unit.grow(2 * second);
    unit.numbers.set(x);
    unit.numbers.set(y, second);
    unit[name](0, 4 * second, 4 * n);
    out.set(unit.numbers.subarray(0, n));
  };
  const logistic = swift("sigmoid", (x, _, out) => { for (let i = 0; i < x.length; i++) out[i] = 1 / (1 + Math.exp(-x[i])); });

  // Room for a table of k places, n rows of k numbers, `other` numbers and n rows of m, in whole tiles.
  function room(n, k, other, m) {
    const left = whole(k, 4), right = left + whole(n, 4) * k, out = right + whole(other, 4) + 8, end = out + whole(n, 4) * whole(m, 8);
    if (unit.numbers.length < end) unit.grow(end);
    unit.numbers.fill(0, left + n * k, right);  // tiny numbers are slow to multiply
    return [left, right, out];
  }
  function tiles(n, k, m, left, right, out) {
    const apart = 4 * whole(m, 8), { product } = unit;
    for (let j = 0; j < m; j += 8) for (let i = 0; i < n; i += 4) product(4 * (left + i * k), 4 * k, 4 * (right + j), 0, k, 4 * (out + j) + i * apart, apart);
  }

  // (n, k) x (k, m), from ai and bi on, into out from `start` on.
  function multiply(a, b, n, k, m, out, ai = 0, bi = 0, start = 0) {
    if (n === 1) return row(a, b, k, m, out, ai, bi, start);
    const [left, right, to] = room(n, k, k * m, m), { numbers: x, places } = unit, wide = whole(m, 8);
    for (let l = 0; l < k; l++) places[l] = 4 * l * m;
    x.set(a.subarray(ai, ai + n * k), left);
    x.set(b.subarray(bi, bi + k * m), right);
    tiles(n, k, m, left, right, to);
    if (m === wide) out.set(x.subarray(to, to + n * m), start);
    else for (let i = 0; i < n; i++) copy(x, to + i * wide, out, start + i * m, m);
    return out;
  }
  function row(a, b, k, m, out, ai, bi, start) {  // too little for tiles
    out.fill(0, start, start + m);
    for (let l = 0, q = bi; l < k; l++, q += m) for (let j = 0, x = a[ai + l]; j < m; j++) out[start + j] += x * b[q + j];
    return out;
  }

  // Scale and shift change after each `inner` numbers of a group, from first(group) on.
  function normalize(x, groups, length, eps, scale, shift, inner, first) {
    const out = tensor(x.shape), from = x.data, to = out.data;
    for (let g = 0, i = 0; g < groups; g++) {
      const part = from.subarray(i, i + length), mean = sum(part) / length, by = 1 / Math.sqrt(variance(part, 0) + eps);
      for (let c = first(g), end = i + length; i < end; c++) {
        const s = by * (scale ? scale.data[c] : 1), t = (shift ? shift.data[c] : 0) - mean * s;
        for (let stop = i + inner; i < stop; i++) to[i] = from[i] * s + t;
      }
    }
    return out;
  }

  function convolution(x, w, b, stride, padding, dilation, transposed, extra, groups) {
    const [n, ci, h, v] = x.shape, [kh, kw] = w.shape.slice(2), [sh, sv] = stride, [ph, pv] = padding, [dh, dv] = dilation;
    const co = transposed ? w.shape[1] * groups : w.shape[0], gi = ci / groups, go = co / groups;
    const oh = transposed ? (h - 1) * sh - 2 * ph + dh * (kh - 1) + extra[0] + 1 : Math.floor((h + 2 * ph - dh * (kh - 1) - 1) / sh) + 1;
    const ov = transposed ? (v - 1) * sv - 2 * pv + dv * (kw - 1) + extra[1] + 1 : Math.floor((v + 2 * pv - dv * (kw - 1) - 1) / sv) + 1;
    const out = tensor([n, co, oh, ov]);
    for (let m = 0; m < n; m++)
      for (let g = 0; g < groups; g++) (transposed ? spread : gather)((m * ci + g * gi) * h * v, (m * co + g * go) * oh * ov, g);
    return out;

    // Rows and columns of the padded input stand beside those a stride away, as images of their own. So what a place of
    // the kernel sees is an image from some number on: the rows of a matrix, which the weights' matrix multiplies.
    function gather(from, to, g) {
      const k = gi * kh * kw, tall = Math.ceil((h + 2 * ph) / sh), wide = Math.ceil((v + 2 * pv) / sv), image = tall * wide;
      const m = (oh - 1) * wide + ov, [left, right, product] = room(go, k, gi * sh * sv * image, m), { numbers: y, places } = unit;
      const place = (i, a, c) => ((i * sh + (a % sh)) * sv + (c % sv)) * image + Math.floor(a / sh) * wide + Math.floor(c / sv);
      for (let i = 0, l = 0; i < gi; i++) for (let a = 0; a < kh; a++) for (let c = 0; c < kw; c++) places[l++] = 4 * place(i, a * dh, c * dv);
      y.set(w.data.subarray(g * go * k, (g + 1) * go * k), left);
      y.fill(0, right, product);
      for (let i = 0, p = from; i < gi; i++)
        for (let a = 0; a < h; a++, p += v)
          for (let s = 0; s < sv && s < v; s++) for (let c = s, at = right + place(i, a + ph, s + pv); c < v; c += sv) y[at++] = x.data[p + c];
      tiles(go, k, m, left, right, product);
      for (let o = 0, q = to; o < go; o++)
        for (let r = 0, add = b ? b.data[g * go + o] : 0; r < oh; r++)
          for (let c = 0, at = product + o * whole(m, 8) + r * wide; c < ov; c++) out.data[q++] = y[at++] + add;
    }
    function spread(from, to, g) {  // each input adds the kernel to the output
      for (let o = 0; o < go; o++) out.data.fill(b ? b.data[g * go + o] : 0, to + o * oh * ov, to + (o + 1) * oh * ov);
      for (let i = 0; i < gi; i++)
        for (let o = 0; o < go; o++)
          for (let a = 0; a < kh; a++)
            for (let c = 0; c < kw; c++) {
              const k = w.data[(((g * gi + i) * go + o) * kh + a) * kw + c];
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
    add: loops(swift("add", (x, y, out, s) => { for (let i = 0; i < out.length; i++) out[i] = x[i] + s * y[i]; })),
    sub: loops(swift("sub", (x, y, out, s) => { for (let i = 0; i < out.length; i++) out[i] = x[i] - s * y[i]; })),
    mul: loops(swift("mul", (x, y, out) => { for (let i = 0; i < out.length; i++) out[i] = x[i] * y[i]; })),
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
    sigmoid: loop((x, out) => logistic(x, x, out)),
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
    native_layer_norm: (x, shape, scale, shift, eps) => normalize(x, size(x.shape) / size(shape), size(shape), eps, scale, shift, 1, () => 0),
    native_group_norm: (x, scale, shift, n, c, hw, groups, eps) => {
      const own = c / groups;
      return normalize(x, n * groups, own * hw, eps, scale, shift, hw, (g) => (g % groups) * own);
    },

    _native_batch_norm_legit_no_training: (x, scale, shift, mean, variance, momentum, eps) => {
      const c = x.shape[1], inner = size(x.shape.slice(2)), out = tensor(x.shape);
      for (let i = 0; i < out.data.length; i++) {
        const k = Math.floor(i / inner) % c;
        out.data[i] = ((x.data[i] - mean.data[k]) / Math.sqrt(variance.data[k] + eps)) * (scale ? scale.data[k] : 1) + (shift ? shift.data[k] : 0);
      }
      return out;
    },

    mm: (a, b) => tensor([a.shape[0], b.shape[1]], multiply(a.data, b.data, ...a.shape, b.shape[1], numbers(a.shape[0] * b.shape[1]))),
    addmm: (bias, a, b, beta = 1, alpha = 1) => {
      const product = ops.mm(a, b), out = ops.add(beta === 1 ? bias : ops.mul(bias, beta), product, alpha);
      give(product.data);
      return out;
    },
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
        for (let o = 0, from = first * inner; o < out.data.length; o += length, from += n * inner) copy(x.data, from, out.data, o, length);
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
          copy(p.data, o * length, out.data, to, length);
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
      const from = x.data, to = out.data, run = inner.length;
      let count = 0;
      for (const o of places(before)) for (let p = 0; p < picked.length; p++) for (let i = 0, q = o + picked[p]; i < run; i++) to[count++] = from[q + inner[i]];
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
      const from = x.data, to = out.data;
      for (let i = 0, o = 0; i < n * c * h; i += h)
        for (const [r, s, a] of down)
          for (let j = 0, y = (i + r) * w, z = (i + s) * w; j < ow; j++) {
            const [p, q, b] = along[j];
            to[o++] = (1 - a) * ((1 - b) * from[y + p] + b * from[y + q]) + a * ((1 - b) * from[z + p] + b * from[z + q]);
          }
      return out;
    },
    avg_pool2d: (x, kernel, stride, padding = [0, 0]) => {
      const [kh, kw] = kernel, [sh, sw] = stride && stride.length ? stride : kernel, [ph, pw] = padding, [n, c, h, w] = x.shape;
      const oh = Math.floor((h + 2 * ph - kh) / sh) + 1, ow = Math.floor((w + 2 * pw - kw) / sw) + 1, out = full([n, c, oh, ow], 0);
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
    for (const going = making(program); ;) { const { done, value } = going.next(); if (done) return value; }
  }
  // The same for large programs, which awaits what turn() gives after each part, if anything: the page can answer.
  load.patiently = (turn, program) => unhurried(turn, making(program));

  async function unhurried(turn, going) {
    for (;;) {
      const { done, value } = going.next(), wait = turn();
      if (wait) await wait;
      if (done) return value;
    }
  }

  function* making(program) {  // stops after each tensor and each step that it does
    const bytes = base64(program.data), stored = [];
    for (const { shape, offset, name, fill } of program.tensors) {  // parameters have names and are in half precision
      yield;
      const n = size(shape);
      if (fill !== undefined) stored.push(full(shape, fill));
      else if (!name) stored.push(tensor(shape, new Float32Array(bytes.buffer.slice(offset, offset + 4 * n))));
      else {
        const out = tensor(shape), bits = new Uint16Array(bytes.buffer, offset, n);
        for (let i = 0; i < n; i++) out.data[i] = halves[bits[i]];
        stored.push(out);
      }
    }
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
    const used = (step) => [...JSON.stringify(step[1]).matchAll(/"\$":(\d+)/g)].map((m) => +m[1]);
    // What does not depend on the inputs is worked out here, and a step that was done before is not repeated.
    const known = [...program.inputs.map(() => null), ...stored], earlier = new Map(), first = known.length;
    const todo = [];
    for (const [i, step] of program.steps.entries()) {
      yield;
      const key = JSON.stringify(step.slice(0, 2));
      if (earlier.has(key)) todo.push([first + i, earlier.get(key)]);
      else if (used(step).every((u) => known[u])) known[first + i] = done(step, known);
      else todo.push([first + i, step]);
      if (!earlier.has(key)) earlier.set(key, first + i);
    }

    // After each step, the values whose arrays are free: made by a step, no part of what comes out, used for the last
    // time, also in another shape. The first run shows which values share an array.
    let freed;
    function plan(values) {
      const owner = values.map((v) => values.findIndex((w) => w?.data === v.data)), last = new Map();
      todo.forEach(([i, step], k) => {
        for (const u of typeof step === "number" ? [i, step] : [i, ...used(step)]) last.set(owner[u], k);
      });
      for (const i of program.outputs) last.delete(owner[i]);
      freed = todo.map(() => []);
      for (const [i] of todo) if (owner[i] === i && last.has(i)) freed[last.get(i)].push(i);
    }

    function* run(inputs) {  // stops after each step
      const values = [...known];
      inputs.forEach((x, i) => {
        values[i] = x.shape ? x : tensor(program.inputs[i], Float32Array.from(x));
        if (values[i].data.length !== size(program.inputs[i])) throw new Error(`input ${i} has ${values[i].data.length} numbers, not ${program.inputs[i].join(" x ")}`);
      });
      for (let k = 0; k < todo.length; k++) {
        const [i, step] = todo[k];
        values[i] = typeof step === "number" ? values[step] : done(step, values);
        if (freed) for (const f of freed[k]) give(values[f].data);
        yield;
      }
      if (!freed) plan(values);
      return program.outputs.map((i) => values[i]);
    }
    function made(...inputs) {
      for (const going = run(inputs); ;) { const { done, value } = going.next(); if (done) return value; }
    }
    made.patiently = (turn, ...inputs) => unhurried(turn, run(inputs));
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

  const api = { load, ops, tensor, normal, assembled: !!unit.add };
  if (typeof module === "object") module.exports = api;
  else root.Net = api;
})(typeof self === "undefined" ? this : self);
