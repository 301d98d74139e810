// A picture of which pixels filled in the one that is pointed at. Called by the page with the figure
// and what ntkmc.cli.filled_from_page packed: typed arrays in base64.

function unpack(packed) {
  const read = (Type, text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Type(bytes.buffer);
  };
  return {
    ...packed,
    pixels: read(Uint32Array, packed.pixels),
    offsets: read(packed.wide ? Int16Array : Int8Array, packed.offsets),
    weights: read(Int8Array, packed.weights),
    scales: read(Float32Array, packed.scales),
    near: read(Uint8Array, packed.near),
    nearShare: read(Uint8Array, packed.nearShare),
    told: read(Uint8Array, packed.told),
    values: read(Float32Array, packed.values),
  };
}

// Row, column, value, shares in percent, and sources of the i-th pixel that is told of.
function told(data, i) {
  const [, width] = data.shape;
  const row = Math.floor(data.pixels[i] / width);
  const column = data.pixels[i] % width;
  const sources = [];
  for (let k = 0; k < data.count; k++) {
    const at = i * data.count + k;
    if (data.weights[at] === 0) continue;
    sources.push({
      row: row + data.offsets[2 * at],
      column: column + data.offsets[2 * at + 1],
      weight: (data.weights[at] / 127) * data.scales[i],
      near: k < data.near[i],
    });
  }
  const value = Array.from(data.values.subarray(i * data.channels, (i + 1) * data.channels));
  return { row, column, value, nearShare: data.nearShare[i], told: data.told[i], sources };
}

// The pixel for which `distance(rows down, columns right)` is least; -1 where it is infinite for all.
function closest(data, row, column, distance) {
  const [, width] = data.shape;
  let best = -1;
  let least = Infinity;
  data.pixels.forEach((pixel, i) => {
    const apart = distance(Math.floor(pixel / width) - row, (pixel % width) - column);
    if (apart < least) [best, least] = [i, apart];
  });
  return best;
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// The next pixel in the direction of a key; `i` itself where there is none.
function next(data, i, key) {
  const [down, right] = ARROWS[key];
  const here = told(data, i);
  const ahead = (rows, columns) => {
    const along = rows * down + columns * right;
    const aside = rows * right - columns * down;
    return along > 0 ? along ** 2 + 4 * aside ** 2 : Infinity;
  };
  const found = closest(data, here.row, here.column, ahead);
  return found < 0 ? i : found;
}

const NARROWEST = 7; // pixels on each side in the enlarged part

function sentence(pixel) {
  const value = pixel.value.map((channel) => Number(channel.toPrecision(3))).join(", ");
  return (
    `Row ${pixel.row}, column ${pixel.column}: ${value}. Of the weight ${pixel.nearShare} % is of ` +
    `near pixels and ${100 - pixel.nearShare} % of similar ones; the ${pixel.sources.length} drawn ` +
    `have ${pixel.told} % of it.`
  );
}

function explore(figure, packed) {
  const data = unpack(packed);
  const [height, width] = data.shape;
  const image = figure.querySelector("img");
  const [over, lens] = figure.querySelectorAll("canvas");
  const caption = figure.querySelector("[aria-live]");
  const style = getComputedStyle(figure);
  let current = closest(data, height / 2, width / 2, (rows, columns) => rows ** 2 + columns ** 2);

  // A context to draw on in CSS pixels, cleared.
  function fresh(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const { width: wide, height: high } = canvas.getBoundingClientRect();
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    return [context, wide, high];
  }

  // Squares for near pixels, discs for similar ones; area and opacity grow with the weight.
  function mark(context, source, largest, x, y, side) {
    const size = Math.abs(source.weight) / largest;
    const radius = Math.max(1.5, 0.46 * side * Math.sqrt(size));
    context.globalAlpha = 0.45 + 0.55 * size;
    context.beginPath();
    if (source.near) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    else context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = style.getPropertyValue(source.weight > 0 ? "--plus" : "--minus");
    context.fill();
    context.globalAlpha = 1;
    if (side < 6) return; // no room for an edge
    context.lineWidth = 1;
    // A picture may have either colour: the edge tells the sign, too.
    context.strokeStyle = source.weight > 0 ? "#fff" : "#000";
    context.stroke();
  }

  // White within black, to be seen on any picture.
  function frame(context, x, y, wide, high) {
    for (const [thickness, colour] of [[3, "#000"], [1, "#fff"]]) {
      context.lineWidth = thickness;
      context.strokeStyle = colour;
      context.strokeRect(x, y, wide, high);
    }
  }

  function draw() {
    const pixel = told(data, current);
    const largest = Math.max(...pixel.sources.map((source) => Math.abs(source.weight)));
    const apart = pixel.sources.flatMap((s) => [s.row - pixel.row, s.column - pixel.column]);
    const farthest = Math.max(0, ...apart.map(Math.abs));
    // Of few sizes, so that the enlarged part seldom changes its scale from one pixel to the next.
    let reach = NARROWEST;
    while (reach < farthest) reach *= 2;

    const [context, wide, high] = fresh(over);
    const [x, y] = [wide / width, high / height];
    const [left, top] = [(pixel.column - reach) * x, (pixel.row - reach) * y];
    frame(context, left, top, (2 * reach + 1) * x, (2 * reach + 1) * y);
    for (const source of pixel.sources) {
      mark(context, source, largest, (source.column + 0.5) * x, (source.row + 0.5) * y, x);
    }
    frame(context, pixel.column * x, pixel.row * y, x, y);

    const [close, across] = fresh(lens);
    const side = across / (2 * reach + 1);
    close.imageSmoothingEnabled = false;
    close.drawImage(
      image,
      -(pixel.column - reach) * side,
      -(pixel.row - reach) * side,
      width * side,
      height * side,
    );
    for (const source of pixel.sources) {
      const right = source.column - pixel.column + reach + 0.5;
      const down = source.row - pixel.row + reach + 0.5;
      mark(close, source, largest, right * side, down * side, side);
    }
    frame(close, reach * side, reach * side, side, side);
    caption.textContent = sentence(pixel);
  }

  function point(event) {
    const box = over.getBoundingClientRect();
    const row = ((event.clientY - box.top) / box.height) * height - 0.5;
    const column = ((event.clientX - box.left) / box.width) * width - 0.5;
    current = closest(data, row, column, (rows, columns) => rows ** 2 + columns ** 2);
    draw();
  }

  over.addEventListener("pointermove", point);
  over.addEventListener("pointerdown", point);
  over.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    current = next(data, current, event.key);
    draw();
  });
  new ResizeObserver(draw).observe(figure);
  image.decode().then(draw);
}
