// The most likely expression of each face in a file of raw grey pixels: node face_api.cjs FILE SIDE NODE_MODULES
const fs = require('node:fs');
const path = require('node:path');
const [file, side, modules] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const wasm = require(path.join(modules, '@tensorflow/tfjs-backend-wasm'));
const faceapi = require(path.join(modules, '@vladmandic/face-api/dist/face-api.node-wasm.js'));

async function main() {
  wasm.setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist/'));
  await faceapi.tf.setBackend('wasm');
  await faceapi.nets.faceExpressionNet.loadFromDisk(path.join(modules, '@vladmandic/face-api/model/'));
  const raw = fs.readFileSync(file), found = [];
  for (let start = 0; start < raw.length; start += side * side) {
    const grey = faceapi.tf.tensor3d(new Float32Array(raw.subarray(start, start + side * side)), [side, side, 1]);
    const colour = faceapi.tf.tile(grey, [1, 1, 3]);
    const scores = await faceapi.nets.faceExpressionNet.predictExpressions(colour);
    found.push(Object.keys(scores).reduce((best, name) => (scores[name] > scores[best] ? name : best)));
    faceapi.tf.dispose([grey, colour]);
  }
  console.log(JSON.stringify(found));
}

main().catch((error) => { console.error(String(error)); process.exit(1); });
