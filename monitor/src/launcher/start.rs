//! Starting instances: from a request to forked members.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::fleet::Fleet;
use super::member::{Identity, Member};
use super::names;
use super::plans::Plans;
use super::poller::Poller;
use super::request::Start;
use crate::aslr::{self, Source};
use crate::error::Error;
use crate::instance;
use crate::plan::Plan;
use crate::tender::{self, Spec, Tender};

/// What all starts share.
#[derive(Default)]
pub struct Starter {
    kvm: Option<OwnedFd>,
}

impl Starter {
    /// Fork all instances of a request; their numbers. On an error, those that were forked are listed in `begun` all the same.
    pub fn start(
        &mut self,
        request: &Start,
        plans: &mut Plans,
        fleet: &mut Fleet,
        poller: &Poller,
        begun: &mut Vec<u64>,
    ) -> Result<(), Error> {
        let plan = match &request.manifest {
            Some(manifest) => plans.load(manifest)?,
            None => plans.floor()?,
        };
        if request.tender == Tender::Kvm && self.kvm.is_none() {
            self.kvm = tender::device(Tender::Kvm)?;
        }
        let heap = plan.heap_for(request.memory)?;
        let argv = request.argv.as_ref().unwrap_or(&plan.argv);
        let mut env: BTreeMap<String, String> = plan.env.clone();
        env.extend(request.env.clone().unwrap_or_default());
        let spec = Spec {
            plan: &plan,
            sharing: request.sharing,
            heap,
            argv,
            env: &env,
            draw: None,
        };
        let prefix = request.name.clone().unwrap_or_else(|| names::prefix_of(&plan.name));
        for _ in 0..request.count {
            let member = self.one(request, &spec, &plan, &prefix, fleet, poller)?;
            begun.push(member.identity.number);
            fleet.add(member);
        }
        Ok(())
    }

    fn one(
        &self,
        request: &Start,
        spec: &Spec<'_>,
        plan: &Rc<Plan>,
        prefix: &str,
        fleet: &mut Fleet,
        poller: &Poller,
    ) -> Result<Member, Error> {
        let (number, name) = fleet.christen(prefix);
        let console = console(request.logs.as_deref(), &name)?;
        let forked = Instant::now();
        let draw = match plan.modules.is_empty() {
            true => None,
            false => Some(aslr::draw(plan, spec.heap, &mut Source::Kernel)?),
        };
        let spec = &Spec {
            draw: draw.as_ref(),
            ..*spec
        };
        let kvm = self.kvm.as_ref().filter(|_| request.tender == Tender::Kvm);
        let child = instance::spawn(spec, request.tender, console.as_fd(), kvm.map(AsFd::as_fd))?;
        let identity = Identity {
            number,
            name,
            plan: Rc::clone(plan),
            draw,
            tender: request.tender,
            sharing: request.sharing,
            time_limit: request.time_limit_ms.map(Duration::from_millis),
            pid: child.pid,
            started: SystemTime::now(),
        };
        Member::new(identity, child, forked, poller)
    }
}

/// Where an instance's console goes.
fn console(logs: Option<&Path>, name: &str) -> Result<File, Error> {
    let (path, options) = match logs {
        Some(folder) => (
            folder.join(format!("{name}.log")),
            OpenOptions::new().create(true).append(true).mode(0o600).clone(),
        ),
        None => ("/dev/null".into(), OpenOptions::new().write(true).clone()),
    };
    options
        .open(&path)
        .map_err(|error| Error::io(format!("opening the log {}", path.display()), error))
}
