import { Metric, proxy_define_metric, proxy_get_metric, proxy_increment_metric, proxy_record_metric, Status } from "./abi";
import { clear, number, write, written } from "./memory";

/** A metric of the plugin's. It is defined when it is used first, so it may be a variable of the module. */
class Measure {
  private id: u32 = 0;
  private state: i32 = 0; // 1: defined; -1: the host does not take it

  constructor(private kind: u32, private name: string) {}

  protected ready(): bool {
    if (this.state == 0) {
      clear();
      const p = write(this.name);
      store<u32>(number, 0);
      this.state = proxy_define_metric(this.kind, p, written, number) == Status.OK ? 1 : -1;
      this.id = load<u32>(number);
    }
    return this.state > 0;
  }

  protected increment(n: i64): void { if (this.ready()) proxy_increment_metric(this.id, n); }
  protected put(n: u64): void { if (this.ready()) proxy_record_metric(this.id, n); }

  protected read(): u64 {
    store<u64>(number, 0);
    return this.ready() && proxy_get_metric(this.id, number) == Status.OK ? load<u64>(number) : 0;
  }
}

/** Counts what happens. */
export class Counter extends Measure {
  add(n: u32 = 1): void { if (n > 0) this.increment(n); }
  get value(): u64 { return this.read(); }
}

/** Says how much there is of something. */
export class Gauge extends Measure {
  set(n: u64): void { this.put(n); }
  add(n: i64): void { this.increment(n); }
  get value(): u64 { return this.read(); }
}

/** Says how values are distributed. */
export class Histogram extends Measure {
  record(n: u64): void { this.put(n); }
}

export function counter(name: string): Counter { return new Counter(Metric.Counter, name); }
export function gauge(name: string): Gauge { return new Gauge(Metric.Gauge, name); }
export function histogram(name: string): Histogram { return new Histogram(Metric.Histogram, name); }
