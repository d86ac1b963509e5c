// BullMQ on Node: the same command line, loops and marks as measured/driver.py and measured/marks.py.
// The bar above Python: it finishes a job and fetches the next one in a single script.

const fs = require("fs");
const { Queue, Worker } = require("bullmq");

const options = { n: "1000", mode: "one", job: "noop", rate: "0", concurrency: "100", slot: "0" };
const role = process.argv[2];
for (const flag of process.argv.slice(3)) {
  const [, name, value] = flag.match(/^--([^=]+)=(.*)$/s);
  options[name] = value;
}
const n = Number(options.n);
const GATHER = 100;
const BULK = 1000;
const WARM_UP = 200;
const STAMPS_AT = 128;
const payload = (index) => ({ data: String(index).padStart(8, "0").padEnd(88, "x") });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const marks = options.marks ? fs.openSync(options.marks, "r+") : null;
const word = Buffer.alloc(8);
function write(at, value) {
  word.writeBigUInt64LE(BigInt(value));
  fs.writeSync(marks, word, 0, 8, at * 8);
}
function read(at) {
  fs.readSync(marks, word, 0, 8, at * 8);
  return word.readBigUInt64LE();
}

function connection() {
  const url = new URL(options.url);
  return { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };
}

async function enqueue() {
  const queue = new Queue("bench", { connection: connection() });
  await queue.waitUntilReady();
  const fill = options.mode === "fill";
  const size = options.mode === "bulk" || fill ? BULK : GATHER;
  async function put(first, count) {
    for (let at = first; at < first + count; at += size) {
      const batch = [];
      for (let k = at; k < Math.min(at + size, first + count); k++) batch.push(payload(k));
      if (options.mode === "one") for (const data of batch) await queue.add(options.job, data);
      else if (options.mode === "gather") await Promise.all(batch.map((data) => queue.add(options.job, data)));
      else await queue.addBulk(batch.map((data) => ({ name: options.job, data })));
    }
  }
  if (!fill) await put(n, Math.max(WARM_UP, size));
  const began = process.hrtime.bigint();
  await put(0, n);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(JSON.stringify({ n, seconds }));
  await queue.close();
}

async function latency() {
  const queue = new Queue("bench", { connection: connection() });
  await queue.waitUntilReady();
  const ask = (index) => {
    write(STAMPS_AT + 2 * index, process.hrtime.bigint());
    return queue.add("stamp", payload(index));
  };
  await ask(0);
  await pause(500);
  const rate = Number(options.rate);
  const began = performance.now();
  const asked = [];
  for (let index = 1; index <= n; index++) {
    if (rate) await pause(Math.max(0, began + ((index - 1) * 1000) / rate - performance.now()));
    else await pause(20 + Math.random() * 40);
    asked.push(ask(index));
  }
  await Promise.all(asked);
  console.log(JSON.stringify({ n }));
  await queue.close();
}

async function work() {
  const slot = 8 + 8 * Number(options.slot);
  let started = false;
  let ended = 0;
  let written = true;
  function start() {
    if (started) return;
    started = true;
    const cpu = process.cpuUsage();
    write(slot + 3, (cpu.user + cpu.system) * 1000);
    write(slot + 2, process.hrtime.bigint());
  }
  function end() {
    ended += 1;
    if (!written) return; // a system call per turn of the loop, not per job
    written = false;
    setImmediate(() => {
      written = true;
      write(slot + 4, ended);
    });
  }
  const handlers = {
    async noop(job) {
      start();
      end();
      return job.data.data.length;
    },
    async nap(job) {
      start();
      await pause(50);
      end();
      return job.data.data.length;
    },
    async stamp(job) {
      write(STAMPS_AT + 2 * Number(job.data.data.slice(0, 8)) + 1, process.hrtime.bigint());
      return job.data.data.length;
    },
  };
  const worker = new Worker("bench", (job) => handlers[job.name](job), {
    connection: connection(),
    concurrency: Number(options.concurrency),
    autorun: false,
  });
  await worker.waitUntilReady();
  process.on("SIGTERM", () => process.exit(0));
  write(slot, process.pid);
  write(slot + 1, 1);
  while (read(0) === 0n) await pause(1);
  await worker.run();
}

({ enqueue, latency, worker: work })[role]();
