// Rowhouse on Azure Container Apps, in a network of its own: the app with its tunnel, PostgreSQL with pgvector, secrets in a
// Key Vault that the app reads by its managed identity, and Redis if asked for. Into one resource group:
//
//   az deployment group create --resource-group rowhouse --parameters main.bicepparam
targetScope = 'resourceGroup'

@description('What everything is called. Names that must be unique get a suffix.')
@minLength(3)
@maxLength(20)
param name string = 'rowhouse'

@description('Where it runs.')
param location string = resourceGroup().location

@description('The image, by digest: REGISTRY.azurecr.io/rowhouse@sha256:...')
param image string

@description('The image of the tunnel. A copy in your own registry is pulled without a public one\'s limits.')
param tunnelImage string = 'docker.io/library/haproxy:3.2-alpine'

@description('The container registry of this resource group that holds the image.')
param registryName string

@description('The name callers know, such as tools.example. Empty: the one Container Apps gives.')
param hostName string = ''

@description('The administrator of the database.')
param administratorLogin string = 'rowhouse_admin'

@secure()
@minLength(16)
@description('Its password.')
param administratorPassword string

@secure()
@minLength(64)
@description('Signs tickets: 32 bytes in hexadecimal (openssl rand -hex 32).')
param ticketKey string

@secure()
@minLength(64)
@description('Makes the passwords of the login roles.')
param loginKey string

@secure()
@minLength(64)
@description('Chains the trail. Can never be replaced.')
param auditKey string

@description('A Redis, by which limits hold over all hosts together. Without it each limits for itself, and quotas meet in the database every few seconds.')
param redis bool = false

@description('Cores and memory of the database, after Azure\'s names.')
param databaseSku object = {
  name: 'Standard_D2ds_v5'
  tier: 'GeneralPurpose'
}

@description('A second database server in another zone that takes over.')
param databaseStandby bool = true

var suffix = uniqueString(resourceGroup().id, name)
var vaultName = take('${name}-${suffix}', 24)

// Key Vault Secrets User and AcrPull: the ids are the same in every tenant.
var secretsUser = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6')
var acrPull = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')

var settings = loadTextContent('../rowhouse.toml')
var tunnel = loadTextContent('../kubernetes/haproxy.cfg')
var tunnelRedis = loadTextContent('../kubernetes/redis.cfg')

var appsNetwork = '10.40.0.0/23'

// ---- Network ----

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: ['10.40.0.0/16']
    }
    subnets: [
      {
        name: 'apps'
        properties: {
          addressPrefix: appsNetwork
          delegations: [
            {
              name: 'apps'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'database'
        properties: {
          addressPrefix: '10.40.2.0/28'
          delegations: [
            {
              name: 'database'
              properties: {
                serviceName: 'Microsoft.DBforPostgreSQL/flexibleServers'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.40.3.0/28'
        }
      }
    ]
  }

  resource apps 'subnets' existing = {
    name: 'apps'
  }

  resource database 'subnets' existing = {
    name: 'database'
  }

  resource endpoints 'subnets' existing = {
    name: 'endpoints'
  }
}

resource databaseZone 'Microsoft.Network/privateDnsZones@2020-06-01' = {
  name: '${name}.private.postgres.database.azure.com'
  location: 'global'

  resource link 'virtualNetworkLinks' = {
    name: name
    location: 'global'
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: network.id
      }
    }
  }
}

// ---- Database ----

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' = {
  name: '${name}-${suffix}'
  location: location
  sku: databaseSku
  properties: {
    // 17: the first that takes TLS without being asked for it first, as the tunnel speaks it.
    version: '17'
    administratorLogin: administratorLogin
    administratorLoginPassword: administratorPassword
    authConfig: {
      // The login roles have passwords that follow from the login key.
      passwordAuth: 'Enabled'
      activeDirectoryAuth: 'Disabled'
    }
    storage: {
      storageSizeGB: 128
      // A trail that cannot be written stops calls: the disk grows before it is full.
      autoGrow: 'Enabled'
    }
    backup: {
      backupRetentionDays: 14
      geoRedundantBackup: 'Disabled'
    }
    highAvailability: {
      mode: databaseStandby ? 'ZoneRedundant' : 'Disabled'
    }
    network: {
      delegatedSubnetResourceId: network::database.id
      privateDnsZoneArmResourceId: databaseZone.id
      publicNetworkAccess: 'Disabled'
    }
  }
  dependsOn: [databaseZone::link]

  // One change of a server at a time: each waits for the one before.
  resource extensions 'configurations' = {
    name: 'azure.extensions'
    properties: {
      // What the migrations create: vectors, and the two that forgive misspellings.
      value: 'VECTOR,PG_TRGM,UNACCENT'
      source: 'user-override'
    }
  }

  // A statement that fails is a caller's text: it goes into no log.
  resource statements 'configurations' = {
    name: 'log_min_error_statement'
    properties: {
      value: 'panic'
      source: 'user-override'
    }
    dependsOn: [extensions]
  }

  resource database 'databases' = {
    name: 'rowhouse'
    properties: {
      charset: 'UTF8'
      collation: 'en_US.utf8'
    }
    dependsOn: [statements]
  }
}

// ---- Redis ----

resource redisCluster 'Microsoft.Cache/redisEnterprise@2025-07-01' = if (redis) {
  name: '${name}-${suffix}'
  location: location
  sku: {
    // The smallest: what is counted takes some megabytes.
    name: 'Balanced_B0'
  }
  properties: {
    highAvailability: 'Enabled'
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Disabled'
  }
}

resource redisDatabase 'Microsoft.Cache/redisEnterprise/databases@2025-07-01' = if (redis) {
  parent: redisCluster
  name: 'default'
  properties: {
    clientProtocol: 'Encrypted'
    port: 10000
    // One call's keys must be on one node.
    clusteringPolicy: 'NoCluster'
    // Evicting would forget somebody's limit; without room each host limits for itself.
    evictionPolicy: 'NoEviction'
    accessKeysAuthentication: 'Enabled'
  }
}

resource redisZone 'Microsoft.Network/privateDnsZones@2020-06-01' = if (redis) {
  name: 'privatelink.redis.azure.net'
  location: 'global'
}

resource redisLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = if (redis) {
  parent: redisZone
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}

resource redisEndpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = if (redis) {
  name: '${name}-redis'
  location: location
  properties: {
    subnet: {
      id: network::endpoints.id
    }
    privateLinkServiceConnections: [
      {
        name: 'redis'
        properties: {
          privateLinkServiceId: redisCluster.id
          groupIds: ['redisEnterprise']
        }
      }
    ]
  }

  resource names 'privateDnsZoneGroups' = {
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: 'redis'
          properties: {
            privateDnsZoneId: redisZone.id
          }
        }
      ]
    }
  }
}

// ---- Secrets ----

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: vaultName
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    // Who may read is said by roles, not by networks: the one role given here is the app's, for reading. A vault that is
    // closed to public networks needs an endpoint in this one.
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    // Without the audit key the trail can never be verified again.
    enablePurgeProtection: true
  }

  resource databaseUrl 'secrets' = {
    name: 'database-url'
    properties: {
      // By the app's own tunnel.
      value: 'postgres://${administratorLogin}:${uriComponent(administratorPassword)}@127.0.0.1:5432/${server::database.name}'
    }
  }

  resource ticket 'secrets' = {
    name: 'ticket-key'
    properties: {
      value: ticketKey
    }
  }

  resource login 'secrets' = {
    name: 'login-key'
    properties: {
      value: loginKey
    }
  }

  resource audit 'secrets' = {
    name: 'audit-key'
    properties: {
      value: auditKey
    }
  }
}

resource redisUrl 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (redis) {
  parent: vault
  name: 'redis-url'
  properties: {
    value: redis ? 'redis://:${uriComponent(redisDatabase!.listKeys().primaryKey)}@127.0.0.1:6379' : ''
  }
}

resource readsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identity.id, secretsUser)
  scope: vault
  properties: {
    roleDefinitionId: secretsUser
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registryName
}

resource pullsImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, identity.id, acrPull)
  scope: registry
  properties: {
    roleDefinitionId: acrPull
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// ---- App ----

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: name
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    // The log says what the host did; who saw what is in the trail, which is kept for as long as you like.
    retentionInDays: 30
  }
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: name
  location: location
  properties: {
    vnetConfiguration: {
      infrastructureSubnetId: network::apps.id
      internal: false
    }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
    zoneRedundant: true
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    }
  }
}

var publicName = empty(hostName) ? '${name}.${environment.properties.defaultDomain}' : hostName

var vaultSecrets = concat(['database-url', 'ticket-key', 'login-key', 'audit-key'], redis ? ['redis-url'] : [])
var tunnelFiles = concat(['haproxy'], redis ? ['redis'] : [])

var vaultReferences = [
  for secret in vaultSecrets: {
    name: secret
    // Without a version: what is replaced in the vault is there half an hour later, for hosts that start then.
    keyVaultUrl: 'https://${vaultName}${az.environment().suffixes.keyvaultDns}/secrets/${secret}'
    identity: identity.id
  }
]

var secretFiles = [
  for secret in vaultSecrets: {
    secretRef: secret
    path: secret
  }
]

var tunnelItems = [
  for file in tunnelFiles: {
    secretRef: '${file}-cfg'
    path: '${file}.cfg'
  }
]

var settingsSecrets = [
  {
    name: 'rowhouse-toml'
    value: settings
  }
  {
    name: 'haproxy-cfg'
    value: tunnel
  }
  {
    name: 'redis-cfg'
    value: tunnelRedis
  }
]

var hostEnvironment = [
  {
    name: 'ROWHOUSE_HTTP__PUBLIC_URL'
    value: 'https://${publicName}/mcp'
  }
  {
    name: 'ROWHOUSE_HTTP__ALLOWED_HOSTS'
    value: '["${publicName}"]'
  }
  {
    // The ingress is in the app's own network.
    name: 'ROWHOUSE_HTTP__TRUSTED_PROXIES'
    value: '["${appsNetwork}"]'
  }
  {
    // The administrator is no superuser, and the third wall cannot be raised: known, and lived with.
    name: 'ROWHOUSE_DATABASE__HARDEN'
    value: 'false'
  }
  {
    name: 'ROWHOUSE_DOCTOR__ACCEPT'
    value: '["set_config may be called"]'
  }
  {
    // Secrets that change make no revision by themselves: other settings are another environment.
    name: 'SETTINGS'
    value: uniqueString(settings, tunnel, tunnelRedis)
  }
]

// Limits hold over all hosts together.
var limitsEnvironment = redis ? [
  {
    name: 'ROWHOUSE_TRAFFIC__REDIS__FILE'
    value: '/run/secrets/rowhouse/redis-url'
  }
] : []

var tunnelEnvironment = [
  {
    name: 'DATABASE_HOST'
    value: server.properties.fullyQualifiedDomainName
  }
  {
    name: 'DATABASE_CA'
    value: '@system-ca'
  }
]

var redisEnvironment = redis ? [
  {
    name: 'REDIS_HOST'
    value: redisCluster!.properties.hostName
  }
  {
    name: 'REDIS_PORT'
    value: '10000'
  }
  {
    name: 'REDIS_CA'
    value: '@system-ca'
  }
] : []

resource app 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      // The old revision serves until the new one is ready. One that never is takes nothing away.
      activeRevisionsMode: 'Single'
      // Revisions to go back to.
      maxInactiveRevisions: 5
      ingress: {
        external: true
        targetPort: 8000
        transport: 'http'
        allowInsecure: false
        // Sessions of clients before 2026-07-28 live in one host's memory; theirs that keep cookies find it again.
        stickySessions: {
          affinity: 'sticky'
        }
      }
      registries: [
        {
          server: registry.properties.loginServer
          identity: identity.id
        }
      ]
      secrets: concat(vaultReferences, settingsSecrets)
    }
    template: {
      // 35 s for calls under way (`http.drain_seconds`), 1 s for connections, 30 s for statements nobody waits for, 5 s for
      // books, 10 s for the trail; and what is spare.
      terminationGracePeriodSeconds: 90
      containers: [
        {
          name: 'rowhouse'
          image: image
          resources: {
            cpu: json('2.0')
            // 64 calls that all take their whole 64 MiB; most take 1. Compiling the largest plugin takes 1 GiB, once.
            memory: '4Gi'
          }
          env: concat(hostEnvironment, limitsEnvironment)
          probes: [
            {
              // 300 s: four plugins to compile, each within 60 s of CPU, and a minute for what is fetched.
              type: 'Startup'
              httpGet: {
                path: '/health/live'
                port: 8000
              }
              periodSeconds: 30
              timeoutSeconds: 5
              failureThreshold: 10
            }
            {
              // Whether it answers at all.
              type: 'Liveness'
              httpGet: {
                path: '/health/live'
                port: 8000
              }
              periodSeconds: 10
              timeoutSeconds: 5
              failureThreshold: 3
            }
            {
              // 503 until the database and the plugins are ready, and whenever they are not.
              type: 'Readiness'
              httpGet: {
                path: '/health/ready'
                port: 8000
              }
              periodSeconds: 5
              timeoutSeconds: 5
              failureThreshold: 2
            }
          ]
          volumeMounts: [
            {
              volumeName: 'settings'
              mountPath: '/etc/rowhouse'
            }
            {
              volumeName: 'secrets'
              mountPath: '/run/secrets/rowhouse'
            }
            {
              volumeName: 'state'
              mountPath: '/var/lib/rowhouse'
            }
          ]
        }
        {
          // The host speaks to its database, and to Redis, without TLS: it does so inside the app, and this carries it on.
          name: 'tunnel'
          image: tunnelImage
          args: ['haproxy', '-db', '-f', '/etc/tunnel']
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
          env: concat(tunnelEnvironment, redisEnvironment)
          volumeMounts: [
            {
              volumeName: 'tunnel'
              mountPath: '/etc/tunnel'
            }
          ]
        }
      ]
      scale: {
        // One may be lost, or replaced, while the other serves.
        minReplicas: 2
        // More hosts compute more; they do not ask more of the database: all of them together have twice
        // `database.pool.max` connections and two for each login role.
        maxReplicas: 4
        rules: [
          {
            // Of 64 places for calls (`plugins.concurrent_calls`), 40 taken.
            name: 'calls'
            http: {
              metadata: {
                concurrentRequests: '40'
              }
            }
          }
          {
            name: 'cpu'
            custom: {
              type: 'cpu'
              metadata: {
                type: 'Utilization'
                value: '70'
              }
            }
          }
        ]
      }
      volumes: [
        {
          name: 'settings'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'rowhouse-toml'
              path: 'rowhouse.toml'
            }
          ]
        }
        {
          name: 'tunnel'
          storageType: 'Secret'
          secrets: tunnelItems
        }
        {
          name: 'secrets'
          storageType: 'Secret'
          secrets: secretFiles
        }
        {
          name: 'state'
          storageType: 'EmptyDir'
        }
      ]
    }
  }
  dependsOn: [
    readsSecrets
    pullsImages
    vault::databaseUrl
    vault::ticket
    vault::login
    vault::audit
    redisUrl
  ]
}

@description('The endpoint.')
output endpoint string = 'https://${publicName}/mcp'

@description('What a name of yours is to point at (CNAME).')
output address string = app.properties.configuration.ingress.fqdn
