import { Level } from "./abi";
import { logLine } from "./host";

/** Lines in the host's log. */
export namespace log {
  export function debug(message: string): void { logLine(Level.Debug, message); }
  export function info(message: string): void { logLine(Level.Info, message); }
  export function warn(message: string): void { logLine(Level.Warn, message); }
  export function error(message: string): void { logLine(Level.Error, message); }
}
