//! The crate adk-sandbox 0.8.0 as a contender: `adk-bench-baseline FIGURE [GUEST.wat]`, one JSON line a figure, as
//! bench/figure.h says. It takes modules as text only, compiles on each run, and has neither arguments nor files.

use adk_sandbox::{ExecRequest, ExecResult, Language, SandboxBackend, SandboxError, WasmBackend};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NAME: &str = "adk-sandbox 0.8.0";
const HELLO: &str = "hello world\n";
const HELLO_TIMES: usize = 100;
const THREAD_TIMES: usize = 3;
const THREAD_RUNS: usize = 100;
const ECHO_BYTES: usize = 1 << 20;
const ECHO_TIMES: usize = 9;
const DISTINCT: usize = 1000;
const SLEEPERS: usize = 50;

const SLEEP: &str = r#"(module
 (import "wasi_snapshot_preview1" "poll_oneoff" (func $p (param i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 1)
 (func (export "_start") (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const SECONDS000000000))
 (drop (call $p (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 200)))))"#;
const LOOP: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop br 0)))"#;

fn hello_wat(number: usize) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
(memory (export "memory") 1) (data (i32.const 8) "hello world\n") (data (i32.const 64) "{number}")
(func (export "_start") (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 12))
(drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 24)))))"#
    )
}

/// A timer of an earlier run ends every run that is under way when it goes off: runs that are to live get a long one.
fn request(code: &str, timeout: Duration) -> ExecRequest {
    ExecRequest {
        language: Language::Wasm,
        code: code.to_string(),
        stdin: None,
        timeout,
        memory_limit_mb: Some(256),
        env: HashMap::new(),
    }
}

fn print(figure: &str, value: f64, unit: &str) {
    println!(r#"{{"figure":"{figure}","contender":"{NAME}","value":{value:.6},"unit":"{unit}"}}"#);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

async fn run(backend: &WasmBackend, request: ExecRequest) -> ExecResult {
    match backend.execute(request).await {
        Ok(result) if result.exit_code == 0 => result,
        Ok(result) => panic!("exit code {}: {}", result.exit_code, result.stderr),
        Err(error) => panic!("{error}"),
    }
}

async fn hello(figure: &str, code: &str) {
    let backend = WasmBackend::new();
    let mut us = vec![];
    for _ in 0..HELLO_TIMES {
        let start = Instant::now();
        assert_eq!(run(&backend, request(code, Duration::from_secs(60))).await.stdout, HELLO);
        us.push(milliseconds(start) * 1e3);
    }
    print(figure, median(us), "us");
}

async fn threads_per_second(count: usize) -> f64 {
    let backend = Arc::new(WasmBackend::new());
    let start = Instant::now();
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for _ in 0..THREAD_RUNS / count {
                    run(&backend, request(&hello_wat(0), Duration::from_secs(60))).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task");
    }
    (THREAD_RUNS / count * count) as f64 / start.elapsed().as_secs_f64()
}

async fn threads() {
    for count in [1, 2, 4] {
        let mut best = 0.0_f64;
        for _ in 0..THREAD_TIMES {
            best = best.max(threads_per_second(count).await);
        }
        print(&format!("threads_{count}"), best, "runs/s");
    }
}

async fn echo(code: &str) {
    let backend = WasmBackend::new();
    let data = "e".repeat(ECHO_BYTES);
    let mut us = vec![];
    for _ in 0..ECHO_TIMES {
        let start = Instant::now();
        let mut request = request(code, Duration::from_secs(60));
        request.stdin = Some(data.clone());
        assert_eq!(run(&backend, request).await.stdout.len(), ECHO_BYTES);
        us.push(milliseconds(start) * 1e3);
    }
    print("echo_1m", median(us), "us");
}

async fn start(code: &str) {
    let backend = WasmBackend::new();
    let mut ms = vec![];
    for _ in 0..5 {
        let start = Instant::now();
        run(&backend, request(code, Duration::from_secs(60))).await;
        ms.push(milliseconds(start));
    }
    print("first_run_cold", median(ms), "ms");
}

async fn limit() {
    let backend = WasmBackend::new();
    let time = Duration::from_millis(300);
    let start = Instant::now();
    let _ = backend.execute(request(&SLEEP.replace("SECONDS", "3"), time)).await;
    print("limit_sleep", milliseconds(start), "ms");
    let start = Instant::now();
    let looped = backend.execute(request(LOOP, time)).await;
    assert!(matches!(looped, Err(SandboxError::Timeout { .. })));
    print("limit_loop", milliseconds(start), "ms");
}

fn resident_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("smaps_rollup");
    let line = text.lines().find(|line| line.starts_with("Pss:")).expect("Pss");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

async fn memory() {
    let backend = Arc::new(WasmBackend::new());
    let code = SLEEP.replace("SECONDS", "1");
    run(&backend, request(&code, Duration::from_secs(60))).await;
    let before = resident_kib();
    let tasks: Vec<_> = (0..SLEEPERS)
        .map(|_| {
            let (backend, request) = (backend.clone(), request(&code, Duration::from_secs(60)));
            tokio::spawn(async move { run(&backend, request).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(600)).await;
    print("memory_per_run", (resident_kib() - before) / SLEEPERS as f64, "KiB");
    for task in tasks {
        task.await.expect("a task");
    }
}

async fn cpu(figure: &str, code: &str) {
    let backend = WasmBackend::new();
    let mut ms = vec![];
    for _ in 0..3 {
        let start = Instant::now();
        run(&backend, request(code, Duration::from_secs(60))).await;
        ms.push(milliseconds(start));
    }
    print(figure, ms.into_iter().fold(f64::INFINITY, f64::min), "ms");
}

async fn distinct() {
    let backend = WasmBackend::new();
    let mut us = vec![];
    for number in 0..DISTINCT {
        let start = Instant::now();
        assert_eq!(run(&backend, request(&hello_wat(number), Duration::from_secs(60))).await.stdout, HELLO);
        us.push(milliseconds(start) * 1e3);
    }
    print("distinct_1000", median(us), "us");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let figure = arguments.get(1).map_or("", String::as_str);
    let code = arguments.get(2).map(|path| std::fs::read_to_string(path).expect("the guest")).unwrap_or_default();

    match figure {
        "hello" => hello(figure, &hello_wat(0)).await,
        "hello_c" => hello(figure, &code).await,
        "threads" => threads().await,
        "echo" => echo(&code).await,
        "start" => start(&code).await,
        "limit" => limit().await,
        "memory" => memory().await,
        "distinct" => distinct().await,
        _ if figure.starts_with("cpu_") => cpu(figure, &code).await,
        _ => panic!("usage: adk-bench-baseline FIGURE [GUEST.wat]"),
    }
    // The timers sleep on for a minute, in threads of their own.
    std::process::exit(0);
}
