// Filters and modules for weir, and Proxy-Wasm filters for other hosts.

export { Body, readBody } from "./body";
export { Answer, Call, Piece } from "./call";
export { Chunk } from "./chunk";
export { Config } from "./config";
export { Context, onWeir } from "./context";
export { EventReader, ServerEvent, writeEvents } from "./events";
export { abandon, fetch, read } from "./fetch";
export { Field, Fields } from "./fields";
export { Filter } from "./filter";
export { Header, Request, Response } from "./header";
export { parseJSON, quote } from "./json";
export { Done } from "./late";
export { log } from "./log";
export { toBytes, toText } from "./memory";
export { Counter, counter, Gauge, gauge, Histogram, histogram } from "./metric";
export { configured, every, filter, plugin, Plugin } from "./plugin";
export { callHost, property, propertyNumber, setProperty } from "./property";
export { Kind, Result } from "./result";
export { Params, Routes } from "./routes";
export { Hash, password, random, sign, Signature, Verdict, verify } from "./secrets";
export { Shared, shared } from "./shared";
export { ABSENT, ANY, Entry, Page, Store, store, Written } from "./store";
export { now, sleep } from "./time";
export { Type, Value } from "./value";

import "./abort";
