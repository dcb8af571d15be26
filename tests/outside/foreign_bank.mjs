// A bank whose authorisation server is none of ours: `oidc-provider`, with a person who says yes.
//
//     node tests/outside/foreign_bank.mjs PORT
//
// Beside the server stand the two calls that lead to it, as Berlin Group has them.
import { Provider } from 'oidc-provider';

const issuer = `http://127.0.0.1:${process.argv[2]}`;
const clientId = 'PSDFR-ACPR-99999';
const redirectUri = 'https://insurer.example/v1/callback/a1?x=1';

const provider = new Provider(issuer, {
  clients: [{
    client_id: clientId,
    token_endpoint_auth_method: 'none',
    application_type: 'web',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [redirectUri],
  }],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  scopes: ['AIS:foreign'],
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 86400, RefreshToken: 86400, Interaction: 600, Session: 600 },
  findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: { devInteractions: { enabled: false } },
});

// The person: known at once, agreed at once.
async function decide(context) {
  const details = await provider.interactionDetails(context.req, context.res);
  const accountId = 'camille.martin';
  if (details.prompt.name === 'login') {
    await provider.interactionFinished(context.req, context.res, { login: { accountId } });
  } else {
    const grant = new provider.Grant({ accountId, clientId });
    grant.addOIDCScope(details.params.scope);
    await provider.interactionFinished(context.req, context.res, { consent: { grantId: await grant.save() } });
  }
  context.respond = false;
}

provider.use(async (context, next) => {
  if (context.path.startsWith('/interaction/')) return decide(context);
  if (context.method === 'POST' && context.path === '/v1/consents') {
    const href = `${issuer}/.well-known/oauth-authorization-server`;
    context.status = 201;
    context.set('X-Request-ID', context.get('X-Request-ID'));
    context.set('ASPSP-SCA-Approach', 'REDIRECT');
    context.body = { consentStatus: 'received', consentId: 'foreign', _links: { scaOAuth: { href } } };
    return undefined;
  }
  if (context.path === '/.well-known/oauth-authorization-server') {
    context.path = '/.well-known/openid-configuration';
  }
  return next();
});

provider.listen(Number(process.argv[2]), '127.0.0.1');
