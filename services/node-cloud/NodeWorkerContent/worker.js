'use strict';

// A worker on Microsoft's own library, as one would have written it for Azure. It answers lines on its endpoint, one line
// each, and prints the events of its role environment.

const fs = require('fs');
const net = require('net');
const path = require('path');

const { RoleEnvironment } = require('azure');

const FOR_EVER = new Date('9999-12-31T23:59:59.999Z');

// The library takes callbacks.
const ask = (name, ...values) => new Promise((resolve, reject) => {
  RoleEnvironment[name](...values, (error, value) => (error ? reject(error) : resolve(value)));
});

const answers = {
  id: async () => (await ask('getCurrentRoleInstance')).id,
  deployment: () => ask('getDeploymentId'),
  emulated: async () => String(await ask('isEmulated')),
  setting: async (name) => (await ask('getConfigurationSettings'))[name],
  endpoint: async (name) => {
    const { address, port, protocol } = (await ask('getCurrentRoleInstance')).endpoints[name];
    return `${protocol} ${address}:${port}`;
  },
  // Shows that the folder can be written to.
  resource: async (name) => {
    const resource = (await ask('getLocalResources'))[name];
    fs.writeFileSync(path.join(resource.path, 'visited.txt'), new Date().toISOString());
    return `${resource.path} ${resource.sizeInMB}`;
  },
  roles: async () => Object.keys(await ask('getRoles')).join(' '),
  busy: async (milliseconds) => {
    await ask('setStatus', 'Busy', new Date(Date.now() + Number(milliseconds)));
    return 'busy';
  },
  recycle: async () => {
    await ask('requestRecycle');
    return 'recycling';
  },
};

async function answer(line) {
  const [name, ...values] = line.split(' ');
  const known = Object.prototype.hasOwnProperty.call(answers, name);
  return known ? answers[name](...values) : `known are: ${Object.keys(answers).join(' ')}`;
}

function serve(socket) {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  socket.on('data', async (data) => {
    text += data;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end).trim();
      text = text.slice(end + 1);
      socket.write(`${await answer(line).catch((error) => `error: ${error.message}`)}\n`);
    }
  });
}

// A listener makes the library keep its connection to the host, so they come before the first question.
RoleEnvironment.on('changing', (changes) => {
  console.log(`changing: ${changes.map((change) => change.type).join(' ')}`);
  // What is new can be read already; the library calls back at once.
  RoleEnvironment.getConfigurationSettings((error, settings) => {
    if (!error && settings.OnChanging === 'cancel') {
      console.log('cancelled');
      changes.cancel();
    }
  });
});
RoleEnvironment.on('changed', () => console.log('changed'));
RoleEnvironment.on('stopping', () => console.log('stopping'));

async function main() {
  const { address, port } = (await ask('getCurrentRoleInstance')).endpoints.Lines;
  await new Promise((resolve) => net.createServer(serve).listen(Number(port), address, resolve));
  await ask('setStatus', 'Ready', FOR_EVER);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
