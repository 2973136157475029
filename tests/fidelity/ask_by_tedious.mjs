// Asks a SQL Server by tedious, a client for node: one JSON request on standard input, one JSON answer on standard output.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { Connection, Request } = createRequire(process.argv[2] + "/")("tedious");
const { server, port, user, password, database, sql } = JSON.parse(readFileSync(0, "utf8"));
const results = [];
const numbers = [];

function end(error) {
  process.stdout.write(JSON.stringify({ results, numbers, error: error?.number ?? (error ? String(error) : null) }));
  connection.close();
}

const connection = new Connection({
  server,
  authentication: { type: "default", options: { userName: user, password } },
  options: { port, database, encrypt: true, trustServerCertificate: true, connectTimeout: 10000 },
});
connection.on("infoMessage", (message) => numbers.push(message.number));
connection.on("errorMessage", (message) => numbers.push(message.number));
connection.connect((failed) => {
  if (failed) {
    end(Object.assign(failed, { number: numbers.at(-1) }));
    return;
  }
  const request = new Request(sql, end);
  request.on("columnMetadata", () => results.push([]));
  request.on("row", (columns) => results.at(-1).push(columns.map((column) => column.value)));
  connection.execSqlBatch(request);
});
